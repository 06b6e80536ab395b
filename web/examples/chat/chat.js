/**
 * chat.js - a table as a chat: every change is a bubble, coloured by what it was, with the row before and after.
 *
 * The table has REPLICA IDENTITY FULL, so PostgreSQL sends the whole row as it was: `old`. The connection is
 * /ws/{client_id}: the name in the corner is how the server's log calls this window.
 */

import { connect } from "/walwire.js";

const TABLE = "public.super_heroes";
const BUBBLES = 200;
const SAID = { c: "joins", u: "changes", d: "is gone", t: "All of them are gone" };

const $ = id => document.getElementById(id);
const me = new URLSearchParams(location.search).get("client") || `guest-${1000 + Math.floor(Math.random() * 9000)}`;

function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

function written(value) {
  if (value === undefined || value === null) return "–";
  return Array.isArray(value) ? value.join(", ") : typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** One image of the row; what differs from the other one is marked. */
function image(title, row, other) {
  const lines = Object.keys(row).map(name => {
    const differs = other && written(row[name]) !== written(other[name]);
    return el("div", { class: differs ? "differs" : "", "data-column": name }, el("dt", {}, name), el("dd", {}, written(row[name])));
  });
  return el("section", { class: title }, el("h3", {}, title), el("dl", {}, ...lines));
}

function bubble(e) {
  const before = e.old ?? e.previous;
  const who = e.op === "t" ? "" : written((e.row ?? before ?? e.key).name ?? Object.values(e.key).join());
  const images = [];
  if (before) images.push(image("before", before, e.row));
  if (e.row) images.push(image("after", e.row, before));
  const time = el("time", { datetime: new Date(e.ts_ms).toISOString() }, new Date(e.ts_ms).toLocaleTimeString("en-GB"));
  return el("article", { "data-op": e.op, "data-key": e.id ?? "" },
    el("h2", {}, el("b", {}, who), ` ${SAID[e.op]}`, time), el("div", { class: "images" }, ...images));
}

function say(e) {
  const talk = $("talk");
  const follows = talk.scrollHeight - talk.scrollTop - talk.clientHeight < 60;
  $("hello").hidden = true;
  talk.append(bubble(e));
  while (talk.querySelectorAll("article").length > BUBBLES) talk.querySelector("article").remove();
  if (follows) talk.scrollTop = talk.scrollHeight;
}

const client = connect(new URL("/ws", location), { client: me });
const heroes = client.live(TABLE, { onChange: e => { say(e); count(); }, onReady: count, onError: e => { $("hello").textContent = e.message; } });

function count() {
  $("count").textContent = `· ${heroes.rows.size} heroes`;
}

client.on("state", ({ state, reason }) => {
  document.body.dataset.state = state;
  $("state").textContent = state === "closed" ? `closed: ${reason}` : state;
});

$("name").value = me;
$("me").onsubmit = event => {
  event.preventDefault();
  location.search = new URLSearchParams({ client: $("name").value.trim() || me });
};
