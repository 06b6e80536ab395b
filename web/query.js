/**
 * query.js - what is asked of a table: a filter that is built by hand, and the columns.
 *
 * The filter is the protocol's `where`. One condition a line, all or any of them; a deeper one, which the address may hold,
 * is shown as text and can only be removed.
 */

import { $, CODE, NUMBER, el } from "./dom.js";

const OPS = {
  eq: "=", ne: "≠", lt: "<", le: "≤", gt: ">", ge: "≥", in: "in", nin: "not in",
  like: "like", prefix: "starts with", null: "is null", notnull: "is not null",
};
const ORDERED = ["eq", "ne", "lt", "le", "gt", "ge", "in", "nin"];
const NONE = ["null", "notnull"];
const LIST = ["in", "nin"];
const TEXT = /^(text|varchar|character varying|name|bpchar|char|character)\b/;
const TIME = /^(timestamp|date|time)/;
const REAL = /^(float|real|double)/;

function ops_of(type) {
  if (/^jsonb?$/.test(type)) return NONE;
  if (/\[\]$/.test(type)) return ["eq", "ne", ...NONE];
  if (/^bool/.test(type)) return ["eq", "ne", ...NONE];
  if (TEXT.test(type)) return [...ORDERED, "like", "prefix", ...NONE];
  if (NUMBER.test(type) || TIME.test(type) || /^(uuid|bytea)/.test(type)) return [...ORDERED, ...NONE];
  return ["eq", "ne", "in", "nin", ...NONE];
}

function value_of(type, op, words) {
  const one = w => (REAL.test(type) && w !== "" && Number.isFinite(Number(w)) ? Number(w) : /^bool/.test(type) ? w === "true" : w);
  if (LIST.includes(op)) return words.split(",").map(w => one(w.trim())).filter(w => w !== "");
  return /\[\]$/.test(type) ? JSON.parse(words) : one(words);
}

function words_of(value) {
  if (Array.isArray(value)) return value.every(v => typeof v !== "object") ? value.join(", ") : JSON.stringify(value);
  return value === undefined ? "" : String(value);
}

export class Query {
  where = null; columns = null; // what is asked now; null: everything

  #known = []; #key = []; #apply;

  /** `apply` is called when the person wants something else. */
  constructor(apply) {
    this.#apply = apply;
    $("filter-open").onclick = () => this.toggle("filter");
    $("columns-open").onclick = () => this.toggle("columns");
    $("add").onclick = () => this.#add().querySelector("select").focus();
    $("no-filter").onclick = () => { $("conditions").replaceChildren(); this.#filter(null); };
    $("filter").onsubmit = event => { event.preventDefault(); this.#read(); };
    $("columns").onchange = () => this.#choose();
    $("all-columns").onclick = () => { this.#set_columns(null); this.#apply(); };
    $("query").addEventListener("keydown", event => { if (event.key === "Escape") this.toggle(null); });
  }

  /** Another table, with what the address asks of it. */
  reset(where, columns) {
    this.where = where;
    this.columns = columns;
    this.#known = [];
    this.#key = [];
    this.toggle(null);
    this.#draw();
  }

  /** Which columns there are, of which the key always comes. */
  know(columns, key) {
    if (JSON.stringify([columns, key]) === JSON.stringify([this.#known, this.#key])) return;
    this.#known = columns;
    this.#key = key;
    this.#draw();
  }

  toggle(panel) {
    for (const name of ["filter", "columns"]) {
      const open = name === panel && $(name).hidden;
      const inside = $(name).contains(document.activeElement);
      $(name).hidden = !open;
      $(`${name}-open`).setAttribute("aria-expanded", String(open));
      if (inside && !open) $(`${name}-open`).focus();
    }
    if (panel === "filter" && !$("filter").hidden) {
      if (!$("conditions").childElementCount) this.#add();
      $("conditions").querySelector("select")?.focus();
    }
    if (panel === "columns" && !$("columns").hidden) $("columns").querySelector("input:enabled")?.focus();
  }

  #type(name) {
    return this.#known.find(column => column.name === name)?.type ?? "text";
  }

  /** The filter as lines, and whether all or any of them; null: it has another shape. */
  #lines() {
    if (!this.where) return { any: false, lines: [] };
    const lines = Array.isArray(this.where) ? [this.where] : this.where.and ?? this.where.or;
    return lines?.every(Array.isArray) ? { any: Boolean(this.where.or), lines } : null;
  }

  #draw() {
    const flat = this.#lines();
    $("match").value = flat?.any ? "or" : "and";
    $("conditions").replaceChildren();
    for (const line of flat?.lines ?? []) this.#add(line);
    const chips = flat ? flat.lines.map(([column, op, value], i) => this.#chip(`${column} ${OPS[op] ?? op} ${words_of(value)}`.trim(),
      () => this.#filter(flat.lines.filter((_, j) => j !== i), flat.any))) : [this.#chip(JSON.stringify(this.where), () => this.#filter(null))];
    $("chips").replaceChildren(...chips.flatMap((chip, i) => (i && flat?.any ? ["or", chip] : [chip])));
    $("chips").hidden = !chips.length;
    $("filter-open").dataset.count = chips.length || "";
    this.#set_columns(this.columns);
  }

  #chip(words, remove) {
    const cross = el("button", { type: "button", "aria-label": `Remove the condition ${words}` }, "×");
    cross.onclick = remove;
    return el("span", { class: "chip", title: words }, el("span", {}, words), cross);
  }

  #add([column, op, value] = []) {
    const names = this.#known.map(c => c.name);
    if (column && !names.includes(column)) names.push(column);
    const which = el("select", { "aria-label": "Column", class: "which" }, ...names.map(name => el("option", {}, name)));
    const how = el("select", { "aria-label": "Comparison", class: "how" });
    const what = el("input", { "aria-label": "Value", class: "value", spellcheck: "false", autocapitalize: "off", autocomplete: "off" });
    const gone = el("button", { type: "button", class: "gone", "aria-label": "Remove this line" }, "×");
    const line = el("div", { class: "condition" }, which, how, what, gone);
    const suit = () => {
      what.hidden = NONE.includes(how.value);
      const type = this.#type(which.value);
      what.placeholder = LIST.includes(how.value) ? "one, two, …" : /^bool/.test(type) ? "true or false" : type;
      what.classList.toggle("code", CODE.test(type));
    };
    const offer = chosen => {
      how.replaceChildren(...ops_of(this.#type(which.value)).map(name => el("option", { value: name }, OPS[name])));
      if (chosen) how.value = chosen;
      suit();
    };
    which.value = column ?? names.find(name => !this.#key.includes(name)) ?? names[0] ?? "";
    which.onchange = () => offer(how.value in OPS && ops_of(this.#type(which.value)).includes(how.value) ? how.value : null);
    how.onchange = suit;
    gone.onclick = () => line.remove();
    what.value = words_of(value);
    offer(op);
    $("conditions").append(line);
    return line;
  }

  #read() {
    const lines = [];
    for (const line of $("conditions").children) {
      const [column, op, input] = [line.querySelector(".which").value, line.querySelector(".how").value, line.querySelector(".value")];
      if (NONE.includes(op)) lines.push([column, op]);
      else if (input.value !== "" || TEXT.test(this.#type(column))) {
        try {
          lines.push([column, op, value_of(this.#type(column), op, input.value)]);
        } catch {
          input.setCustomValidity("an array, as in [1, 2]");
          input.reportValidity();
          input.oninput = () => input.setCustomValidity("");
          return;
        }
      }
    }
    this.#filter(lines, $("match").value === "or");
  }

  #filter(lines, any) {
    this.where = !lines?.length ? null : lines.length === 1 ? lines[0] : { [any ? "or" : "and"]: lines };
    this.toggle(null);
    this.#draw();
    this.#apply();
  }

  #set_columns(columns) {
    this.columns = columns;
    const box = ({ name, type }) => {
      const input = el("input", { type: "checkbox", value: name });
      const key = this.#key.includes(name);
      input.checked = key || !columns || columns.includes(name);
      input.disabled = key;
      return el("label", { class: "check" }, input, el("span", {}, name), el("small", {}, key ? "key" : type));
    };
    $("column-list").replaceChildren(...this.#known.map(box));
    $("columns-open").dataset.count = columns ? `${columns.length}/${this.#known.length || "?"}` : "";
    $("all-columns").disabled = !columns;
  }

  /** The boxes stay as they are, for the next one may be wanted too. */
  #choose() {
    const boxes = [...$("column-list").querySelectorAll("input")];
    const chosen = boxes.filter(box => box.checked).map(box => box.value);
    this.columns = chosen.length === boxes.length ? null : chosen;
    $("columns-open").dataset.count = this.columns ? `${chosen.length}/${boxes.length}` : "";
    $("all-columns").disabled = !this.columns;
    this.#apply();
  }
}
