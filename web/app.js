/**
 * app.js - the live page: one table's rows, a log of changes, and how the connection is doing.
 *
 * Changes are collected and drawn once a frame, so that a burst costs a frame and not a redraw for each. Data reaches
 * the document through textContent and attributes only.
 */

import { connect } from "./walwire.js";

const ROWS_SHOWN = 200;
const ROWS_SORTED = 5000;
const ENTRIES_KEPT = 250;
const ENTRIES_A_FRAME = 20;
const SEEN_ELSEWHERE = 2000;
const TABS_AT_MOST = 10;
const LEAVING_MS = 1500;
const SECONDS_DRAWN = 40;

const VERBS = { c: "insert", u: "update", d: "delete", t: "truncate", enter: "enters", exit: "leaves" };
const KINDS = { enter: "c", exit: "d" };
const MARKS = {
  c: "M6 2v8M2 6h8",
  u: "M2.3 9.7l.7-2.6 5-5 1.9 1.9-5 5z",
  d: "M3 3l6 6M9 3l-6 6",
  t: "M2 2.5h8M3.5 6h5M5.2 9.5h1.6",
};
const NUMBER = /^(small|big)?int(eger)?\b|^int\d|^oid|^(numeric|decimal|real|double|float|money)/;
const CODE = /^(json|uuid|bytea|xml|inet|cidr|macaddr|tsvector|bit|varbit)|\[\]$|^_/;
const INSTANT = /^\d{4,}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z?$/;

const $ = id => document.getElementById(id);
const by_number = new Intl.Collator("en", { numeric: true }).compare;
const whole = new Intl.NumberFormat("en-GB");

function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== null) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

function drawing(path) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 12 12");
  svg.append(document.createElementNS(svg.namespaceURI, "path"));
  svg.firstChild.setAttribute("d", path);
  return svg;
}

function written(value) {
  if (value === undefined) return "not sent";
  if (typeof value === "object") return JSON.stringify(value);
  if (!INSTANT.test(value)) return String(value);
  return value.replace("T", " ").replace(/\.000000|(?<=\.\d{3})000/, "");
}

function text(value, limit = 160) {
  const full = written(value);
  return full.length > limit ? `${full.slice(0, limit)}…` : full;
}

function is_none(value) {
  return value === null || value === undefined;
}

function duration(ms) {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  return ms < 60000 ? `${(ms / 1000).toFixed(1)} s` : `${whole.format(Math.round(ms / 60000))} min`;
}

function counted(rows) {
  return `${whole.format(rows)} ${rows === 1 ? "row" : "rows"}`;
}

function clock(ms) {
  const at = new Date(ms);
  return `${at.toLocaleTimeString("en-GB")}.${String(at.getMilliseconds()).padStart(3, "0")}`;
}

function short(table) {
  return table.replace(/^public\./, "");
}

/** The rows of the picked table. An update flashes where it is; what is new or was out of sight comes to the top. */
class Rows {
  #live = null; #shown = new Map(); #dirty = new Map(); #rebuild = false; #truncated = false;
  #head = document.querySelector("#rows thead");
  #body = document.querySelector("#rows tbody");

  attach(live, table) {
    const dot = table.indexOf(".");
    this.#live = live;
    $("table-name").replaceChildren(el("span", { class: "schema" }, table.slice(0, dot + 1)), table.slice(dot + 1));
    this.#head.replaceChildren();
    this.#body.replaceChildren();
    this.#shown.clear();
    this.#dirty.clear();
    this.#truncated = false;
    $("scroll").scrollTo(0, 0);
    this.note("Loading rows");
  }

  note(words) {
    $("empty").textContent = words;
    $("count").textContent = "";
    $("empty").hidden = false;
  }

  columns() {
    const head = this.#live.columns.map(({ name, type }) => el("th", { scope: "col", class: this.#look(name, type) },
      name, el("small", {}, this.#live.key.includes(name) ? `${type} · key` : type)));
    this.#head.replaceChildren(el("tr", {}, ...head));
    this.redraw();
  }

  redraw() {
    this.#rebuild = true;
    next_frame();
  }

  change(e) {
    if (e.op === "t") {
      this.#truncated = true;
      this.#dirty.clear();
    } else {
      const kind = KINDS[e.op] ?? e.op;
      const before = this.#dirty.get(e.id);
      const op = before?.op === "c" && kind === "u" ? "c" : kind;
      this.#dirty.set(e.id, { op, changed: new Set([...(before?.changed ?? []), ...(e.changed ?? [])]) });
    }
    if (this.#dirty.size > ENTRIES_KEPT * 4) this.redraw();
    next_frame();
  }

  draw() {
    if (!this.#live) return;
    if (this.#truncated) for (const id of [...this.#shown.keys()]) this.#leave(id, "t");
    if (this.#rebuild) this.#draw_all();
    else this.#draw_changes();
    this.#truncated = this.#rebuild = false;
    this.#dirty.clear();
    this.#counts();
  }

  #counts() {
    const { size } = this.#live.rows;
    const shown = this.#shown.size;
    if (this.#live.ready || size)
      $("count").textContent = size > shown ? `${whole.format(shown)} of ${counted(size)}` : counted(size);
    if (this.#live.ready) $("empty").textContent = "This table is empty";
    $("empty").hidden = this.#body.childElementCount > 0;
  }

  #draw_all() {
    const { rows } = this.#live;
    let ids = [...rows.keys()];
    if (ids.length <= ROWS_SORTED) {
      const numbered = ids.every(id => /^-?\d+$/.test(id));
      ids.sort((a, b) => (numbered ? by_number(a, b) : by_number(b, a)));
    }
    ids = ids.slice(-ROWS_SHOWN).reverse();
    this.#shown.clear();
    this.#body.replaceChildren(...ids.map(id => this.#row(id)));
  }

  #draw_changes() {
    const drawn = [...this.#dirty].filter(([id]) => this.#shown.has(id));
    for (const [id] of drawn) this.#calm(this.#shown.get(id));
    void this.#body.offsetWidth; // an animation starts over only after a layout without it
    const fresh = [];
    for (const [id, { op, changed }] of this.#dirty) {
      if (op === "d") this.#leave(id, op);
      else if (this.#live.rows.has(id)) this.#show(id, op, changed, fresh);
    }
    this.#body.prepend(...fresh.slice(-ROWS_SHOWN).reverse());
    for (const [id, tr] of this.#shown) if (!tr.isConnected) this.#shown.delete(id);
    this.#fit();
  }

  #show(id, op, changed, fresh) {
    const known = this.#shown.get(id);
    const tr = known ?? this.#row(id);
    if (!known) fresh.push(tr);
    this.#fill(tr, this.#live.rows.get(id), op === "u" ? changed : undefined);
    tr.dataset.op = op;
  }

  #row(id) {
    const tr = el("tr", { "data-key": id });
    for (const { name, type } of this.#live.columns)
      tr.append(el("td", { class: this.#look(name, type), "data-column": name }));
    for (const old of this.#body.querySelectorAll(":scope > .leaving")) if (old.dataset.key === id) old.remove();
    this.#fill(tr, this.#live.rows.get(id));
    this.#shown.set(id, tr);
    return tr;
  }

  #fill(tr, row, changed = new Set()) {
    for (const td of tr.children) {
      const value = row[td.dataset.column];
      const words = text(value);
      if (td.textContent !== words) td.textContent = words;
      if (words.length > 24) td.title = text(value, 1000);
      else td.removeAttribute("title");
      td.classList.toggle("none", is_none(value));
      if (changed.has(td.dataset.column)) td.classList.add("changed");
    }
  }

  #look(name, type) {
    return [this.#live.key.includes(name) && "key", NUMBER.test(type) && "number", CODE.test(type) && "code"]
      .filter(Boolean).join(" ");
  }

  #calm(tr) {
    delete tr.dataset.op;
    for (const td of tr.querySelectorAll(".changed")) td.classList.remove("changed");
  }

  #leave(id, op) {
    const tr = this.#shown.get(id);
    if (!tr) return;
    this.#shown.delete(id);
    tr.dataset.op = op;
    tr.classList.add("leaving");
    setTimeout(() => { tr.remove(); this.#counts(); }, LEAVING_MS);
  }

  /** No more rows than are shown at most, and no fewer while there are any. */
  #fit() {
    const last_first = [...this.#body.children].reverse().filter(tr => !tr.classList.contains("leaving"));
    for (const tr of last_first.slice(0, Math.max(0, last_first.length - ROWS_SHOWN))) {
      this.#shown.delete(tr.dataset.key);
      tr.remove();
    }
    if (this.#shown.size >= Math.min(ROWS_SHOWN, this.#live.rows.size)) return;
    for (const id of this.#live.rows.keys()) {
      if (this.#shown.size >= ROWS_SHOWN) return;
      if (!this.#shown.has(id)) this.#body.append(this.#row(id));
    }
  }
}

/** The log: newest last, and it stays at the end while the reader does. */
class Log {
  #list = $("log"); #waiting = []; #skipped = 0; #unseen = 0; #follows = true;

  constructor() {
    $("clear").onclick = () => { this.#list.replaceChildren(); this.#to_end(); };
    $("newer").onclick = () => { this.#to_end(); this.#list.focus(); };
    this.#list.onscroll = () => { if (this.#follows = this.#at_end()) this.#seen(); };
    new ResizeObserver(() => { if (this.#follows) this.#to_end(); }).observe(this.#list);
  }

  add(table, live, e) {
    this.#waiting.push({ table, key: live.key, columns: live.columns, e });
    if (this.#waiting.length > ENTRIES_A_FRAME) {
      this.#waiting.shift();
      this.#skipped++;
    }
    next_frame();
  }

  draw() {
    if (!this.#waiting.length) return;
    const entries = this.#waiting.map(w => this.#entry(w));
    const missed = `${whole.format(this.#skipped)} more, too fast to show`;
    if (this.#skipped) entries.unshift(el("p", { class: "skipped" }, missed));
    if (entries.length <= 4) for (const entry of entries) entry.classList.add("arrives");
    this.#list.append(...entries);
    while (this.#list.childElementCount > ENTRIES_KEPT) this.#list.firstChild.remove();
    this.#unseen += this.#waiting.length + this.#skipped;
    this.#waiting = [];
    this.#skipped = 0;
    if (this.#follows) return this.#to_end();
    $("newer").textContent = `${whole.format(this.#unseen)} new ↓`;
    $("newer").hidden = false;
  }

  #at_end() {
    return this.#list.scrollHeight - this.#list.scrollTop - this.#list.clientHeight < 40;
  }

  #to_end() {
    this.#list.scrollTop = this.#list.scrollHeight;
    this.#seen();
  }

  #seen() {
    this.#follows = true;
    this.#unseen = 0;
    $("newer").hidden = true;
  }

  #entry({ table, key, columns, e }) {
    const kind = KINDS[e.op] ?? e.op;
    const time = el("time", { datetime: new Date(e.ts_ms).toISOString() }, clock(e.ts_ms));
    const who = el("div", { class: "who" }, el("span", { class: "table", title: table }, short(table)), time);
    const what = el("div", { class: "what" }, el("b", {}, VERBS[e.op] ?? e.op));
    const named = kind === "t" ? [] : key.map(name => `${name} ${text((e.key ?? e.row)[name], 60)}`);
    const naming = named.join(", ");
    if (naming) what.append(el("code", { title: naming }, naming));
    const bubble = el("div", { class: "bubble" }, what, this.#cells(kind, key, columns, e));
    return el("article", { class: "entry", "data-op": kind, "data-key": e.id ?? "", "data-table": table },
      el("span", { class: "mark", "aria-hidden": "true" }, drawing(MARKS[kind] ?? MARKS.u)), who, bubble);
  }

  #cells(kind, key, columns, e) {
    if (kind === "t") return e.count ? el("div", { class: "cells" }, `${counted(e.count)} gone`) : "";
    const row = kind === "d" ? e.previous : e.row;
    if (!row) return "";
    const diff = kind === "u" && e.changed;
    if (diff && !diff.length) return el("div", { class: "cells" }, "no column changed");
    const names = columns.map(column => column.name)
      .filter(name => (diff ? diff.includes(name) : !key.includes(name) && !is_none(row[name])));
    const limit = { c: 6, u: 12, d: 3 }[kind];
    const list = el("dl", { class: "cells" });
    for (const name of names.slice(0, limit)) {
      const after = el(diff ? "ins" : "span", {}, text(row[name], 120));
      list.append(el("dt", { title: name }, name), el("dd", {}, ...(diff
        ? [el("del", {}, text(e.previous[name], 120)), el("span", { class: "arrow" }, "→"), after] : [after])));
    }
    if (names.length > limit) list.append(el("dt", {}, `+ ${names.length - limit} more`), el("dd", {}));
    return names.length ? list : "";
  }
}

/** Connection state, lag, position, and changes a second. */
class Meter {
  #count = 0; #seconds = new Array(SECONDS_DRAWN).fill(0); #retry_at = 0; #state = {}; #pos = null;

  constructor(client) {
    client.on("state", s => this.#show_state(s));
    client.on("heartbeat", m => { $("lag").textContent = duration(m.lag_ms); this.place(m.pos); });
    client.on("welcome", m => this.place(m.pos));
    $("retry").onclick = () => client.reconnect();
    addEventListener("online", () => { if (client.state === "reconnecting") client.reconnect(); });
    setInterval(() => this.#tick(), 1000);
  }

  change(e) {
    this.#count++;
    this.place(e.pos);
  }

  place(pos) {
    this.#pos = pos;
    next_frame();
  }

  draw() {
    $("pos").textContent = $("pos").title = this.#pos ?? "–";
  }

  #show_state(s) {
    const name = s.state === "open" ? "live" : s.state;
    this.#state = s;
    this.#retry_at = Date.now() + (s.retry_in_ms ?? 0);
    document.body.dataset.state = name;
    $("state").textContent = name[0].toUpperCase() + name.slice(1);
    $("retry").hidden = name !== "closed" && name !== "reconnecting";
    if (name !== "live") $("lag").textContent = "–";
    this.#note();
  }

  #note() {
    const { state, reason, code } = this.#state;
    const seconds = Math.ceil((this.#retry_at - Date.now()) / 1000);
    if (state === "reconnecting") $("note").textContent = seconds > 1 ? `in ${seconds} s` : "";
    else $("note").textContent = state === "closed" ? reason || `code ${code}` : "";
  }

  #tick() {
    this.#note();
    this.#seconds.push(this.#count);
    this.#seconds.shift();
    $("rate").textContent = whole.format(this.#count);
    this.#count = 0;
    const most = Math.max(4, ...this.#seconds);
    const x = i => ((i / (SECONDS_DRAWN - 1)) * 60).toFixed(1);
    const y = n => (19 - (n / most) * 18).toFixed(1);
    const points = this.#seconds.map((n, i) => `${x(i)} ${y(n)}`);
    $("spark").firstElementChild.setAttribute("d", `M${points.join("L")}`);
  }
}

/** Which tables there are: tabs for a few, a list for many, and a field where the server does not say. */
class Picker {
  tables = []; #pick;

  constructor(pick) {
    this.#pick = pick;
    $("table-select").onchange = event => pick(event.target.value);
    $("table-form").onsubmit = event => {
      event.preventDefault();
      const name = $("table-input").value.trim();
      if (name) pick(name.includes(".") ? name : `public.${name}`);
    };
  }

  offer(tables) {
    this.tables = (tables ?? []).map(table => table.name);
    const count = this.tables.length;
    $("table-form").hidden = count > 0;
    $("tabs").hidden = count === 0 || count > TABS_AT_MOST;
    $("table-select").hidden = count <= TABS_AT_MOST;
    $("all").closest("label").hidden = count < 2;
    $("table-select").replaceChildren(...this.tables.map(name => el("option", { value: name }, name)));
    $("tabs").replaceChildren(...this.tables.map(name => {
      const tab = el("button", { type: "button", "data-table": name, "aria-pressed": "false" }, short(name));
      tab.onclick = () => this.#pick(name);
      return tab;
    }));
  }

  mark(table) {
    $("table-select").value = table;
    $("table-input").value = table;
    for (const tab of $("tabs").children) tab.setAttribute("aria-pressed", String(tab.dataset.table === table));
  }
}

/** The fragment names the table, so that a reload keeps it; a token given there is taken out of sight at once. */
function fragment() {
  const given = new URLSearchParams(location.hash.slice(1));
  if (given.has("token")) {
    sessionStorage.setItem("walwire.token", given.get("token"));
    given.delete("token");
    history.replaceState(null, "", `#${given}`);
  }
  return given.get("table");
}

let drawing_soon = false;

function next_frame() {
  if (drawing_soon) return;
  drawing_soon = true;
  requestAnimationFrame(() => {
    drawing_soon = false;
    rows.draw();
    log.draw();
    meter.draw();
  });
}

let picked = null;
let live = null;
const others = new Map();
const wanted = fragment();
const client = connect(new URL("/ws", location), { token: () => sessionStorage.getItem("walwire.token") });
const rows = new Rows();
const log = new Log();
const meter = new Meter(client);
const picker = new Picker(pick);

function trouble(words) {
  $("trouble").textContent = words ?? "";
  $("trouble").hidden = !words;
}

function pick(table) {
  if (table === picked && live) return;
  live?.close();
  picked = table;
  history.replaceState(null, "", `#${new URLSearchParams({ table })}`);
  document.title = `${short(table)} · walwire`;
  picker.mark(table);
  trouble(null);
  watch(table);
  watch_others();
}

function watch(table) {
  const mine = client.live(table, {
    onSubscribed: () => { trouble(null); rows.columns(); },
    onRows: batch => { if (mine.rows.size === batch.length) rows.redraw(); else next_frame(); },
    onReady: () => { $("scroll").classList.remove("stale"); rows.redraw(); },
    onChange: e => { rows.change(e); log.add(table, mine, e); meter.change(e); },
    onReset: m => {
      $("scroll").classList.add("stale");
      if (m.action === "stop") trouble(`The server ended this subscription (${m.reason}).`);
    },
    onError: m => { trouble(`${table}: ${m.message || m.code}`); if (!m.retry) rows.note("Nothing to show"); },
  });
  live = mine;
  $("scroll").classList.remove("stale");
  rows.attach(mine, table);
}

/** The other tables come without their rows: a change shows what it replaced once it has been seen here before. */
function watch_others() {
  const most = (client.welcome?.limits?.subscriptions || Infinity) - 1;
  const names = $("all").checked ? picker.tables.filter(name => name !== picked).slice(0, most) : [];
  for (const [name, other] of others) {
    if (names.includes(name)) continue;
    other.close();
    others.delete(name);
  }
  for (const name of names) if (!others.has(name)) others.set(name, watch_other(name));
}

function watch_other(table) {
  const other = client.live(table, {
    snapshot: false,
    onChange: e => {
      log.add(table, other, e);
      meter.change(e);
      if (other.rows.size > SEEN_ELSEWHERE) other.rows.delete(other.rows.keys().next().value);
    },
  });
  return other;
}

client.on("welcome", m => {
  picker.offer(m.tables);
  const first = picker.tables.includes(wanted) || !picker.tables.length ? wanted : picker.tables[0];
  if (picked) picker.mark(picked);
  else if (first) pick(first);
  else rows.note("Name a table to watch it");
  watch_others();
});
client.on("error", m => trouble(m.message || String(m.code)));
$("all").onchange = watch_others;
