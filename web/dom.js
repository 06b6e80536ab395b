/**
 * dom.js - what all parts of the live page share: elements, values as people read them, and one redraw a frame.
 *
 * Data reaches the document through textContent and attributes only.
 */

export const KINDS = { enter: "c", exit: "d" };
export const NUMBER = /^(small|big)?int(eger)?\b|^int\d|^oid|^(numeric|decimal|real|double|float|money)/;
export const CODE = /^(json|uuid|bytea|xml|inet|cidr|macaddr|tsvector|bit|varbit)|\[\]$|^_/;

const INSTANT = /^\d{4,}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z?$/;

export const whole = new Intl.NumberFormat("en-GB");

export function $(id) {
  return document.getElementById(id);
}

export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== null) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

export function drawing(path) {
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

export function text(value, limit = 160) {
  const full = written(value);
  return full.length > limit ? `${full.slice(0, limit)}…` : full;
}

export function is_none(value) {
  return value === null || value === undefined;
}

export function duration(ms) {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  return ms < 60000 ? `${(ms / 1000).toFixed(1)} s` : `${whole.format(Math.round(ms / 60000))} min`;
}

export function bytes(n) {
  const step = Math.min(4, Math.floor(Math.log2(Math.max(1, n)) / 10));
  return `${step ? (n / 1024 ** step).toFixed(1) : n} ${["B", "KiB", "MiB", "GiB", "TiB"][step]}`;
}

export function plural(n, word) {
  return `${whole.format(n)} ${word}${n === 1 ? "" : "s"}`;
}

export function clock(ms) {
  const at = new Date(ms);
  return `${at.toLocaleTimeString("en-GB")}.${String(at.getMilliseconds()).padStart(3, "0")}`;
}

export function short(table) {
  return table.replace(/^public\./, "");
}

const drawers = [];
let drawing_soon = false;

/** Have `draw` called in every frame that `next_frame` asks for. */
export function each_frame(draw) {
  drawers.push(draw);
}

/** A burst of changes costs a frame and not a redraw for each. */
export function next_frame() {
  if (drawing_soon) return;
  drawing_soon = true;
  requestAnimationFrame(() => {
    drawing_soon = false;
    for (const draw of drawers) draw();
  });
}
