/**
 * rows.js - the rows of the picked table. An update flashes where it is; what is new or was out of sight comes to the top.
 *
 * It holds rows of its own, so that the page can stand still while the client's go on.
 */

import { $, CODE, KINDS, NUMBER, each_frame, el, is_none, next_frame, plural, text, whole } from "./dom.js";

const ROWS_SHOWN = 200;
const ROWS_SORTED = 5000;
const REDRAW_AT = 1000;
const LEAVING_MS = 1500;

const by_number = new Intl.Collator("en", { numeric: true }).compare;

export class Rows {
  #live = null; #data = new Map();
  #shown = new Map(); #dirty = new Map(); #rebuild = false; #truncated = false;
  #chosen = null; // the row that the keyboard is at
  #head = document.querySelector("#rows thead");
  #body = document.querySelector("#rows tbody");

  constructor() {
    each_frame(() => this.#draw());
    $("scroll").addEventListener("keydown", event => this.#key(event));
    this.#body.onclick = event => { const tr = event.target.closest("tr"); if (tr) this.#open(tr); };
    $("row-close").onclick = () => $("row").close();
  }

  attach(live, table) {
    const dot = table.indexOf(".");
    this.#live = live;
    this.#data = new Map();
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
    this.#rebuild = true;
    next_frame();
  }

  /** The rows as the client has them now. */
  load() {
    this.#data = new Map(this.#live.rows);
    this.#dirty.clear();
    this.#rebuild = true;
    next_frame();
  }

  change(e) {
    if (e.op === "t") {
      this.#data.clear();
      this.#truncated = true;
      this.#dirty.clear();
    } else {
      const kind = KINDS[e.op] ?? e.op;
      if (kind === "d") this.#data.delete(e.id);
      else this.#data.set(e.id, e.row);
      const before = this.#dirty.get(e.id);
      const op = before?.op === "c" && kind === "u" ? "c" : kind;
      this.#dirty.set(e.id, { op, changed: new Set([...(before?.changed ?? []), ...(e.changed ?? [])]) });
    }
    if (this.#dirty.size > REDRAW_AT) this.#rebuild = true;
    next_frame();
  }

  #draw() {
    if (!this.#live) return;
    if (this.#truncated) for (const id of [...this.#shown.keys()]) this.#leave(id, "t");
    if (this.#rebuild) this.#draw_all();
    else if (this.#dirty.size) this.#draw_changes();
    this.#truncated = this.#rebuild = false;
    this.#dirty.clear();
    this.#counts();
  }

  #counts() {
    const { size } = this.#data;
    const shown = this.#shown.size;
    if (this.#live.ready || size)
      $("count").textContent = size > shown ? `${whole.format(shown)} of ${plural(size, "row")}` : plural(size, "row");
    if (this.#live.ready) $("empty").textContent = "No rows here";
    $("empty").hidden = this.#body.childElementCount > 0;
  }

  #draw_all() {
    let ids = [...this.#data.keys()];
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
      else if (this.#data.has(id)) this.#show(id, op, changed, fresh);
    }
    this.#body.prepend(...fresh.slice(-ROWS_SHOWN).reverse());
    for (const [id, tr] of this.#shown) if (!tr.isConnected) this.#shown.delete(id);
    this.#fit();
  }

  #show(id, op, changed, fresh) {
    const known = this.#shown.get(id);
    const tr = known ?? this.#row(id);
    if (!known) fresh.push(tr);
    this.#fill(tr, this.#data.get(id), op === "u" ? changed : undefined);
    tr.dataset.op = op;
  }

  #row(id) {
    const tr = el("tr", { "data-key": id, "aria-selected": String(id === this.#chosen) });
    for (const { name, type } of this.#live.columns)
      tr.append(el("td", { class: this.#look(name, type), "data-column": name }));
    for (const old of this.#body.querySelectorAll(":scope > .leaving")) if (old.dataset.key === id) old.remove();
    this.#fill(tr, this.#data.get(id));
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
    if (this.#shown.size >= Math.min(ROWS_SHOWN, this.#data.size)) return;
    for (const id of this.#data.keys()) {
      if (this.#shown.size >= ROWS_SHOWN) return;
      if (!this.#shown.has(id)) this.#body.append(this.#row(id));
    }
  }

  /* ---- one row: arrows choose it, Enter or a click opens it ---- */

  #key(event) {
    const trs = [...this.#body.children].filter(tr => !tr.classList.contains("leaving"));
    const at = trs.findIndex(tr => tr.dataset.key === this.#chosen);
    const to = { ArrowDown: at + 1, ArrowUp: at < 0 ? 0 : at - 1, Home: 0, End: trs.length - 1 }[event.key];
    if (event.key === "Enter" && trs[at]) this.#open(trs[at]);
    else if (to === undefined || !trs.length || event.ctrlKey || event.metaKey || event.altKey) return;
    else this.#choose(trs[Math.max(0, Math.min(trs.length - 1, to))]);
    event.preventDefault();
  }

  #choose(tr) {
    for (const other of this.#body.querySelectorAll('[aria-selected="true"]')) other.setAttribute("aria-selected", "false");
    this.#chosen = tr.dataset.key;
    tr.setAttribute("aria-selected", "true");
    tr.scrollIntoView({ block: "nearest" });
  }

  #open(tr) {
    const row = this.#data.get(tr.dataset.key);
    if (!row) return;
    this.#choose(tr);
    $("row-name").textContent = this.#live.key.map(name => `${name} ${text(row[name], 60)}`).join(", ") || "Row";
    $("row-values").replaceChildren(...this.#live.columns.flatMap(({ name, type }) => {
      const value = row[name];
      const words = value && typeof value === "object" ? JSON.stringify(value, null, 2) : text(value, 100000);
      return [el("dt", {}, name, el("small", {}, type)), el("dd", { class: is_none(value) ? "none" : "" }, words)];
    }));
    $("row").showModal();
  }
}
