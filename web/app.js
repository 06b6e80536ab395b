/**
 * app.js - the live page: a table's rows, a log of changes, what is asked for, and how the engine is doing.
 *
 * The parts know nothing of each other; here they are put together. The address holds what is looked at, so that a reload
 * or a friend sees the same.
 */

import { $, el, plural, short } from "./dom.js";
import { Engine, Meter } from "./engine.js";
import { Log } from "./log.js";
import { Query } from "./query.js";
import { Rows } from "./rows.js";
import { connect } from "./walwire.js";

const HELD_AT_MOST = 5000;
const SEEN_ELSEWHERE = 2000;
const TABS_AT_MOST = 10;
const THEMES = ["auto", "light", "dark"];

/** Between the client and what is shown: changes wait here while the page is paused, and go on one by one. */
class Playback {
  paused = false; #held = []; #missed = 0; #show; #catch_up;

  constructor(show, catch_up) {
    [this.#show, this.#catch_up] = [show, catch_up];
    $("pause").onclick = () => this.toggle();
    $("step").onclick = () => this.step();
    this.#draw();
  }

  put(change) {
    if (!this.paused) return this.#show(change);
    if (this.#held.length < HELD_AT_MOST) this.#held.push(change);
    else this.#missed++;
    this.#draw();
  }

  toggle() {
    this.paused = !this.paused;
    if (!this.paused) {
      for (const change of this.#held.splice(0)) this.#show(change);
      if (this.#missed) this.#catch_up(this.#missed);
      this.#missed = 0;
    }
    this.#draw();
  }

  step() {
    if (!this.paused) this.toggle();
    const next = this.#held.shift();
    if (next) this.#show(next);
    this.#draw();
  }

  /** These changes are in rows that have just been read. */
  forget(live) {
    this.#held = this.#held.filter(change => change.live !== live);
    this.#draw();
  }

  #draw() {
    const waiting = this.#held.length + this.#missed;
    document.body.dataset.paused = String(this.paused);
    $("pause").setAttribute("aria-pressed", String(this.paused));
    $("pause").firstElementChild.textContent = this.paused ? "Resume" : "Pause";
    $("step").disabled = this.paused && !waiting;
    $("waiting").textContent = this.paused ? `${plural(waiting, "change")} waiting` : "";
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
    for (const tab of $("tabs").children) {
      tab.setAttribute("aria-pressed", String(tab.dataset.table === table));
      if (tab.dataset.table === table) tab.scrollIntoView({ block: "nearest", inline: "nearest" });
    }
  }

  /** The table before or behind this one. */
  beside(table, step) {
    const at = this.tables.indexOf(table);
    return this.tables[(at + step + this.tables.length) % this.tables.length];
  }
}

/* ---- the address ---- */

/** A token given there is taken out of sight at once. */
function fragment() {
  const given = new URLSearchParams(location.hash.slice(1));
  if (given.has("token")) {
    sessionStorage.setItem("walwire.token", given.get("token"));
    given.delete("token");
    history.replaceState(null, "", `#${given}`);
  }
  let where = null;
  try { where = JSON.parse(given.get("where")); } catch { /* written by hand */ }
  return { table: given.get("table"), where, columns: given.get("columns")?.split(",") ?? null };
}

function remember() {
  const now = new URLSearchParams({ table: picked });
  if (query.where) now.set("where", JSON.stringify(query.where));
  if (query.columns) now.set("columns", query.columns.join(","));
  history.replaceState(null, "", `#${now}`);
  document.title = `${short(picked)} · walwire`;
}

/* ---- what is watched ---- */

let picked = null;
let live = null;
const others = new Map();
const wanted = fragment();
const client = connect(new URL("/ws", location), { token: () => sessionStorage.getItem("walwire.token") });
const rows = new Rows();
const log = new Log();
const meter = new Meter(client);
const picker = new Picker(table => { if (table !== picked) pick(table); });
const query = new Query(watch);
const playback = new Playback(show, missed => { rows.load(); log.missed(missed); });
new Engine();

function show({ live: from, table, e }) {
  if (from === live) rows.change(e);
  log.add(table, from, e);
}

function heard(from, table, e) {
  meter.change(e);
  playback.put({ live: from, table, e });
}

function trouble(words) {
  $("trouble").textContent = words ?? "";
  $("trouble").hidden = !words;
}

function pick(table, where = null, columns = null) {
  picked = table;
  picker.mark(table);
  query.reset(where, columns);
  watch();
  watch_others();
}

function described(table) {
  return client.welcome?.tables?.find(known => known.name === table);
}

/** With a filter the server may tell of rows going that never matched: it cannot know what they were. */
function is_stranger(e) {
  return (e.op === "d" || e.op === "exit") && !e.previous;
}

function watch() {
  const table = picked;
  const known = described(table);
  const { where, columns } = query;
  live?.close();
  remember();
  trouble(null);
  if (known) query.know(known.columns, known.key);
  const mine = client.live(table, {
    ...(where && { where }),
    ...(columns && { columns }),
    onSubscribed: m => {
      trouble(null);
      if (!columns && !known) query.know(m.columns, m.key ?? []);
      rows.columns();
    },
    onRows: batch => { if (mine.rows.size === batch.length) rows.load(); },
    onReady: () => { $("scroll").classList.remove("stale"); playback.forget(mine); rows.load(); },
    onChange: e => { if (!(where && is_stranger(e))) heard(mine, table, e); },
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
      heard(other, table, e);
      if (other.rows.size > SEEN_ELSEWHERE) other.rows.delete(other.rows.keys().next().value);
    },
  });
  return other;
}

client.on("welcome", m => {
  picker.offer(m.tables);
  const named = picker.tables.includes(wanted.table) || !picker.tables.length;
  if (picked) picker.mark(picked);
  else if (named && wanted.table) pick(wanted.table, wanted.where, wanted.columns);
  else if (picker.tables.length) pick(picker.tables[0]);
  else rows.note("Name a table to watch it");
  watch_others();
});
/** The server asks for a token, or wants another one. */
client.on("state", ({ state, code }) => { $("token-form").hidden = !(state === "closed" && code === 4100); });
$("token-form").onsubmit = event => {
  event.preventDefault();
  sessionStorage.setItem("walwire.token", $("token").value.trim());
  $("token").value = "";
  client.reconnect();
};
client.on("error", m => { if (m.code !== "unsupported") trouble(m.message || String(m.code)); });
$("all").onchange = watch_others;

/* ---- colours and keys ---- */

function theme(step) {
  const now = (THEMES.indexOf(localStorage.getItem("walwire.theme")) + THEMES.length + step) % THEMES.length;
  const name = THEMES[Math.max(0, now)];
  localStorage.setItem("walwire.theme", name);
  document.documentElement.dataset.theme = name;
  $("theme").dataset.theme = name;
  $("theme").setAttribute("aria-label", `Colours: ${name}`);
  $("theme").title = `Colours: ${name} (t)`;
}

if (!THEMES.includes(localStorage.getItem("walwire.theme"))) localStorage.setItem("walwire.theme", "auto");
theme(0);
$("theme").onclick = () => theme(1);
$("help-open").onclick = () => $("help").showModal();
$("help-close").onclick = () => $("help").close();

const KEYS = {
  " ": () => playback.toggle(),
  ".": () => playback.step(),
  "/": () => query.toggle("filter"),
  c: () => query.toggle("columns"),
  a: () => $("all").click(),
  x: () => log.clear(),
  t: () => theme(1),
  "[": () => pick(picker.beside(picked, -1)),
  "]": () => pick(picker.beside(picked, 1)),
  r: () => $("scroll").focus(),
  l: () => $("log").focus(),
  "?": () => $("help").showModal(),
};

addEventListener("keydown", event => {
  const types = event.target.closest("input:not([type=checkbox]), select, textarea, dialog[open]");
  const presses = event.key === " " && event.target.closest("button, input, summary");
  if (types || presses || event.ctrlKey || event.metaKey || event.altKey || !Object.hasOwn(KEYS, event.key)) return;
  if ((event.key === "[" || event.key === "]") && !picker.tables.length) return;
  event.preventDefault();
  KEYS[event.key]();
});
