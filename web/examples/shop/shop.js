/**
 * shop.js - a dashboard of three tables: orders, shipments and products are joined here, in the page.
 *
 * Each table is a Map that stays equal to the database; the page is drawn from the three of them, at most once a frame.
 * There is no server code: what a query with two joins and four sums would say, the page knows from the changes.
 */

import { connect } from "/walwire.js";

const STEPS = ["placed", "paid", "packed", "shipped", "delivered"];
const ORDERS_SHOWN = 30;
const PRODUCTS_SHOWN = 8;
const LOW = 15;
const FRESH_MS = 2000;

const $ = id => document.getElementById(id);
const money = new Intl.NumberFormat("en-GB", { style: "currency", currency: "EUR" });
const whole = new Intl.NumberFormat("en-GB");

const client = connect(new URL("/ws", location), { client: "shop-dashboard" });
const follow = (table, columns) => client.live(table, { columns, onRows: soon, onReady: soon, onReset: soon, onChange: changed });
const orders = follow("public.orders", ["id", "product_id", "quantity", "total", "status"]);
const shipments = follow("public.shipments", ["id", "order_id", "carrier", "location", "stops"]);
const products = follow("commerce.products", ["id", "name", "price", "stock"]);

const fresh = new Map(); // orders that changed, and when: they shine for a while
let drawing = false;

function changed(e) {
  const order = e.row?.order_id ?? (e.row && "product_id" in e.row ? e.id : null);
  if (order !== null) fresh.set(String(order), performance.now());
  soon();
}

function soon() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => { drawing = false; draw(); });
}

/** Sums of money are made in cents, for 0.1 + 0.2 is not 0.3. */
function cents(amount) {
  return Math.round(Number(amount) * 100);
}

function count(list, what) {
  return list.reduce((sum, item) => sum + what(item), 0);
}

function draw() {
  if (![orders, shipments, products].every(table => table.ready)) return;
  const all = [...orders.rows.values()];
  const parcels = new Map([...shipments.rows.values()].map(parcel => [String(parcel.order_id), parcel]));
  const shelf = [...products.rows.values()];
  const open = all.filter(order => order.status !== "delivered");
  const moving = all.filter(order => order.status === "shipped");
  const paid = all.filter(order => order.status !== "placed");
  total("revenue", money.format(count(paid, order => cents(order.total)) / 100), `${whole.format(paid.length)} paid orders`);
  total("open", whole.format(open.length), `${money.format(count(open, order => cents(order.total)) / 100)} in them`);
  total("moving", whole.format(moving.length), `${whole.format(count(moving, order => parcels.get(String(order.id))?.stops ?? 0))} stops so far`);
  const low = shelf.filter(product => product.stock < LOW).length;
  total("stock", whole.format(count(shelf, product => product.stock)), low ? `${whole.format(low)} nearly sold out` : `${whole.format(shelf.length)} products`);
  pipeline(all);
  list_orders(all, parcels);
  list_products(all, shelf);
}

/** A total that moved is seen to have moved. */
function total(id, words, note) {
  const node = $(id);
  $(`${id}-note`).textContent = note;
  if (node.textContent === words) return;
  if (node.textContent !== "–") {
    node.classList.remove("moved");
    void node.offsetWidth; // an animation starts over only after a layout without it
    node.classList.add("moved");
  }
  node.textContent = words;
}

function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

/** A line with a bar behind it, which grows from where it was. */
function bar(list, key, words, share, more) {
  let line = list.querySelector(`[data-key="${key}"]`);
  if (!line) {
    line = el("li", { "data-key": key }, el("span", {}), el("b", {}), el("i", {}));
    list.append(line);
  }
  line.children[0].textContent = words;
  line.children[1].textContent = more;
  line.children[2].style.width = `${(share * 100).toFixed(1)}%`;
  return line;
}

function pipeline(all) {
  const most = Math.max(1, ...STEPS.map(step => all.filter(order => order.status === step).length));
  for (const step of STEPS) {
    const here = all.filter(order => order.status === step).length;
    bar($("pipeline"), step, step, here / most, whole.format(here)).dataset.status = step;
  }
}

function list_orders(all, parcels) {
  const latest = all.sort((a, b) => Number(b.id) - Number(a.id)).slice(0, ORDERS_SHOWN);
  $("orders").replaceChildren(...latest.map(order => {
    const parcel = parcels.get(String(order.id));
    const where = parcel ? `${parcel.carrier}: ${parcel.location}` : "–";
    const tr = el("tr", { "data-key": order.id },
      el("td", { class: "number" }, String(order.id)), el("td", {}, products.get({ id: order.product_id })?.name ?? "–"),
      el("td", { class: "number" }, String(order.quantity)), el("td", { class: "number" }, money.format(order.total)),
      el("td", {}, el("span", { class: "pill", "data-status": order.status }, order.status)), el("td", { class: parcel ? "" : "none" }, where));
    const age = performance.now() - (fresh.get(String(order.id)) ?? -FRESH_MS);
    if (age < FRESH_MS) {
      tr.className = "fresh";
      tr.style.animationDelay = `-${Math.round(age)}ms`; // it goes on where the row that it replaces was
    } else fresh.delete(String(order.id));
    return tr;
  }));
}

function list_products(all, shelf) {
  const sold = new Map(shelf.map(product => [product.id, 0]));
  for (const order of all) sold.set(order.product_id, (sold.get(order.product_id) ?? 0) + cents(order.total));
  const best = shelf.sort((a, b) => sold.get(b.id) - sold.get(a.id)).slice(0, PRODUCTS_SHOWN);
  const most = Math.max(1, sold.get(best[0]?.id) ?? 0);
  const lines = best.map(product => {
    const left = product.stock < LOW ? ` · ${product.stock} left` : "";
    return bar($("products"), product.id, `${product.name}${left}`, sold.get(product.id) / most, money.format(sold.get(product.id) / 100));
  });
  $("products").replaceChildren(...lines);
}

client.on("state", ({ state, reason }) => {
  document.body.dataset.state = state;
  $("state").textContent = state === "closed" ? `closed: ${reason}` : state;
});
