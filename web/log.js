/** log.js - the changes as a conversation: newest last, and it stays at the end while the reader does. */

import { $, KINDS, clock, drawing, each_frame, el, is_none, next_frame, plural, short, text, whole } from "./dom.js";

const ENTRIES_KEPT = 250;
const ENTRIES_A_FRAME = 20;

const VERBS = { c: "insert", u: "update", d: "delete", t: "truncate", enter: "enters", exit: "leaves" };
const MARKS = {
  c: "M6 2v8M2 6h8",
  u: "M2.3 9.7l.7-2.6 5-5 1.9 1.9-5 5z",
  d: "M3 3l6 6M9 3l-6 6",
  t: "M2 2.5h8M3.5 6h5M5.2 9.5h1.6",
};

export class Log {
  #list = $("log"); #waiting = []; #skipped = 0; #unseen = 0; #follows = true;

  constructor() {
    $("clear").onclick = () => this.clear();
    $("newer").onclick = () => { this.#to_end(); this.#list.focus(); };
    this.#list.onscroll = () => { if (this.#follows = this.#at_end()) this.#seen(); };
    new ResizeObserver(() => { if (this.#follows) this.#to_end(); }).observe(this.#list);
    each_frame(() => this.#draw());
  }

  clear() {
    this.#list.replaceChildren();
    this.#to_end();
  }

  add(table, live, e) {
    this.#waiting.push({ table, key: live.key, columns: live.columns, e });
    if (this.#waiting.length > ENTRIES_A_FRAME) {
      this.#waiting.shift();
      this.#skipped++;
    }
    next_frame();
  }

  /** Changes that nobody looked at while the page was paused. */
  missed(n) {
    this.#skipped += n;
    next_frame();
  }

  #draw() {
    if (!this.#waiting.length && !this.#skipped) return;
    const entries = this.#waiting.map(w => this.#entry(w));
    if (this.#skipped) entries.unshift(el("p", { class: "skipped" }, `${whole.format(this.#skipped)} more, too fast to show`));
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
    if (kind === "t") return e.count ? el("div", { class: "cells" }, `${plural(e.count, "row")} gone`) : "";
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
