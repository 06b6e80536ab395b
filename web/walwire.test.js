// The client against a small server in this process: what a page holds equals the table, whatever the network does.
import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { connect } from "./walwire.js";

const HEARTBEAT_MS = 1000;
const ITEMS = "public.items";

/** One table with its history; enough of the protocol to be a truthful partner. */
class Server {
  epoch = "e1"; keep = Infinity; open = true; rate = 0;
  sockets = []; sessions = new Set(); received = []; tokens = [];
  rows = new Map(); log = []; n = 0; key = ["id"];
  columns = ["id", "name", "body"].map(name => ({ name, type: "text" }));

  constructor() {
    const server = this;
    this.WebSocket = class {
      sent = [];
      constructor(url, protocols) {
        Object.assign(this, { url, protocols, subs: new Map() });
        server.sockets.push(this);
        queueMicrotask(() => {
          if (!server.open) return this.onclose?.({ code: 1006, reason: "" });
          this.onopen?.();
          server.accept(this);
        });
      }
      send(text) { server.request(this, JSON.parse(text)); }
      close() { server.sessions.delete(this); }
    };
  }

  get last() { return this.sockets.at(-1); }
  get pos() { return this.at(this.n); }
  at(n) { return String(n).padStart(8, "0"); }

  accept(socket) {
    this.sessions.add(socket);
    this.tell(socket, { type: "welcome", version: "1", session: "s", epoch: this.epoch, pos: this.pos,
      limits: { rate: this.rate }, heartbeat_ms: HEARTBEAT_MS });
  }

  tell(socket, ...messages) {
    if (this.sessions.has(socket)) socket.onmessage({ data: messages.map(m => JSON.stringify(m)).join("\n") });
  }

  tell_all(...messages) { for (const socket of this.sessions) this.tell(socket, ...messages); }

  request(socket, m) {
    this.received.push(m);
    if (m.type === "unsubscribe") socket.subs.delete(m.id);
    if (m.type === "subscribe") this.subscribe(socket, m);
  }

  subscribe(socket, m) {
    const { key, columns } = this;
    const hello = { type: "subscribed", id: m.id, channel: 7, key, columns, deletes: "filtered" };
    const refuse = reason => this.tell(socket, this.reset(m.id, reason));
    if (m.from?.epoch && m.from.epoch !== this.epoch) return refuse("epoch");
    if (m.from?.pos && m.from.pos < this.at(this.n - this.keep)) return refuse("retention");
    socket.subs.set(m.id, m);
    if (m.from?.pos) {
      this.tell(socket, { ...hello, mode: "resume", pos: m.from.pos }, ...this.log.filter(c => c.pos > m.from.pos));
    } else if (m.snapshot) {
      const rows = this.table();
      this.tell(socket, { ...hello, mode: "snapshot", pos: this.pos });
      for (let i = 0; i < rows.length; i += 3)
        this.tell(socket, { type: "rows", id: m.id, rows: rows.slice(i, i + 3) });
      this.tell(socket, { type: "ready", id: m.id, pos: this.pos, count: rows.length });
    } else this.tell(socket, { ...hello, mode: "live", pos: this.pos });
  }

  reset(id, reason) { return { type: "reset", id, reason, action: "resubscribe" }; }
  table() { return [...this.rows.values()].map(row => ({ ...row })); }

  change(op, key, row, more = {}) {
    this.n++;
    const change = { type: "change", channel: 7, pos: this.pos, op, key, row, old: null, ts_ms: 1, ...more };
    this.log.push(change);
    for (const socket of this.sessions) if (socket.subs.size) this.tell(socket, change);
    return change;
  }

  put(row) {
    const before = this.rows.get(row.id);
    this.rows.set(row.id, row);
    const { body, ...rest } = row;
    const toast = before && before.body === body;
    this.change(before ? "u" : "c", { id: row.id }, toast ? rest : { ...row }, toast ? { unchanged: ["body"] } : {});
  }

  remove(id) { if (this.rows.delete(id)) this.change("d", { id }, null, { old: { id } }); }

  /** As Postgres tells it: the old key goes, the new one comes, an unchanged large value is not repeated. */
  rename(id, to) {
    const row = this.rows.get(id);
    if (!row || this.rows.has(to)) return;
    this.rows.delete(id);
    this.rows.set(to, { ...row, id: to });
    this.change("d", { id }, null, { old: { id } });
    this.change("c", { id: to }, { id: to, name: row.name }, { unchanged: ["body"] });
  }

  truncate() { this.rows.clear(); this.change("t", null, null); }

  drop(code = 1006, ...last) {
    for (const socket of [...this.sessions]) {
      if (last.length) this.tell(socket, ...last);
      this.sessions.delete(socket);
      socket.onclose({ code, reason: "" });
    }
  }
}

let server, client, states;

const settle = () => new Promise(resolve => setImmediate(resolve));
const pass = async ms => { mock.timers.tick(ms); await settle(); };
const asked = (type = "subscribe") => server.received.filter(m => m.type === type);
const by_id = rows => [...rows].sort((a, b) => (String(a.id) < String(b.id) ? -1 : 1));
const assert_equal_tables = live => assert.deepEqual(by_id(live.rows.values()), by_id(server.table()));

async function start(options = {}) {
  const usual = { WebSocket: server.WebSocket, backoff: { random: () => 1 } };
  client = connect("http://test.example/ws", { ...usual, ...options });
  states = [];
  client.on("state", s => states.push(s.state));
  await settle();
}

beforeEach(() => {
  mock.timers.enable({ apis: ["setTimeout", "Date"] });
  server = new Server();
});

afterEach(() => {
  client?.close();
  mock.timers.reset();
});

test("the address and the subprotocol are what the protocol asks for; without a token none is sent", async () => {
  await start({ client: "desk 7" });
  assert.equal(server.last.url, "ws://test.example/ws/desk%207");
  assert.deepEqual(server.last.protocols, ["walwire.v1"]);
  client.live(ITEMS);
  assert.deepEqual(server.received.map(m => m.type), ["subscribe"]);
});

const tokens = () => asked("auth").map(m => m.token);
const jwt = claims => `e30.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.sig`;

test("the token is the first message of each connection, and a new one each time where a function gives it", async () => {
  let n = 0;
  await start({ token: async () => `jwt${++n}` });
  client.live(ITEMS);
  assert.deepEqual(server.received.map(m => m.type), ["auth", "subscribe"]);
  server.drop();
  await pass(250);
  assert.deepEqual(server.received.map(m => m.type), ["auth", "subscribe", "auth", "subscribe"]);
  assert.deepEqual(tokens(), ["jwt1", "jwt2"]);
  client.auth("jwt9");
  assert.equal(tokens().at(-1), "jwt9");
  server.drop();
  await pass(250);
  assert.equal(tokens().at(-1), "jwt9");
});

test("a token is renewed on the same connection before it ends, again and again", async () => {
  const given = [];
  await start({ token: () => { given.push(jwt({ exp: Date.now() / 1000 + 100, n: given.length, who: "\u00ff\u00fe?>" })); return given.at(-1); } });
  client.live(ITEMS);
  for (let second = 0; second < 170; second++) {
    server.tell_all({ type: "heartbeat", pos: server.pos, lag_ms: 0 });
    await pass(1000);
  }
  assert.deepEqual(tokens(), given);
  assert.equal(given.length, 3, "at 80 and 160 seconds");
  assert.equal(server.sockets.length, 1);
  assert.deepEqual(states, ["live"]);
});

test("the server's word on when a token ends counts more than the clock here, and holds for tokens that are no JWT", async () => {
  for (const make of [n => `opaque${n}`, n => jwt({ exp: Date.now() / 1000 - 1e6, n })]) {
    let n = 0;
    await start({ token: () => make(n++) });
    server.tell_all({ type: "authorized", expires_in_ms: 100000, tables: [] });
    for (let second = 0; second < 179; second++) {
      if (second === 79) assert.equal(n, 1);
      server.tell_all({ type: "heartbeat", pos: server.pos, lag_ms: 0 });
      await pass(1000);
      if (second === 80) server.tell_all({ type: "authorized", expires_in_ms: 100000 });
    }
    assert.equal(n, 3);
    assert.deepEqual(client.welcome.tables, []);
    client.close();
  }
});

test("a token that comes late is shown on the connection that waits for it", async () => {
  server.accept = socket => server.sessions.add(socket);
  await start();
  client.auth("jwt1");
  assert.deepEqual(tokens(), ["jwt1"]);
  assert.equal(server.sockets.length, 1);
});

test("a token that ended is replaced at once, without a reset; a fixed one is tried again with growing delays", async () => {
  let n = 0;
  await start({ token: async () => `jwt${++n}` });
  const live = client.live(ITEMS, { onReset: () => assert.fail("nothing was lost") });
  server.put({ id: 1, name: "a", body: "b" });
  server.drop(4005);
  await pass(0);
  assert.equal(client.state, "live");
  assert.deepEqual(tokens(), ["jwt1", "jwt2"]);
  assert_equal_tables(live);
  client.close();
  await start({ token: "fixed" });
  server.drop(4005);
  await pass(0);
  assert.equal(client.state, "waiting");
  await pass(250);
  assert.equal(client.state, "live");
});

test("a token that is not to be had is an attempt that failed", async () => {
  let n = 0;
  await start({ token: async () => { if (++n < 3) throw new Error("no login server"); return "jwt"; } });
  assert.equal(client.state, "waiting");
  await pass(250);
  await pass(500);
  assert.equal(client.state, "live");
  assert.deepEqual(tokens(), ["jwt"]);
});

test("a token that cannot be renewed is told, and what is live goes on", async () => {
  let n = 0;
  await start({ token: async () => { if (n++ % 3) throw new Error("no login server"); return jwt({ exp: Date.now() / 1000 + 100 }); } });
  const told = [];
  client.on("error", e => told.push([e.code, e.message]));
  for (let second = 0; second < 100; second++) {
    server.tell_all({ type: "heartbeat", pos: server.pos, lag_ms: 0 });
    await pass(1000);
  }
  assert.deepEqual(told, [["token", "no login server"], ["token", "no login server"]]);
  assert.equal(tokens().length, 2, "the third time it was to be had");
  assert.equal(client.state, "live");
});

/** What an iterator gives until `n` events are there. */
async function take(iterator, n) {
  const events = [];
  while (events.length < n) events.push((await iterator.next()).value);
  return events.map(e => (e.op === "reset" ? `reset ${e.reason}` : e.op === "ready" ? `ready ${e.count}` : `${e.op} ${e.id}`));
}

test("a table can be iterated over: the rows are ready, each change, a reset, and the rows again", async () => {
  server.put({ id: 1, name: "a", body: "b" });
  await start();
  const live = client.live(ITEMS);
  const events = live[Symbol.asyncIterator]();
  assert.deepEqual(await take(events, 1), ["ready 1"]);
  server.put({ id: 2, name: "b", body: "b" });
  assert.deepEqual(await take(events, 1), ["c 2"]);
  server.remove(1);
  server.put({ id: 3, name: "c", body: "b" });
  assert.deepEqual(await take(events, 2), ["d 1", "c 3"]);
  server.drop();
  server.keep = 0;
  server.put({ id: 4, name: "d", body: "b" });
  await pass(250);
  await pass(0);
  assert.deepEqual(await take(events, 2), ["reset retention", "ready 3"]);
  const next = events.next();
  live.close();
  assert.deepEqual(await next, { value: undefined, done: true });
});

test("who iterates too slowly is told of a gap, and that the rows are true", async () => {
  await start();
  const live = client.live(ITEMS);
  const events = live[Symbol.asyncIterator]();
  assert.deepEqual(await take(events, 1), ["ready 0"]);
  for (let id = 0; id < 10010; id++) server.put({ id, name: "a", body: "b" });
  assert.deepEqual(await take(events, 3), ["reset slow", "ready 10001", "c 10001"], "it goes on behind what the rows were");
});

test("an iteration ends with the error that ended its subscription, or its client", async () => {
  await start();
  const subscribe = server.subscribe;
  server.subscribe = (socket, { id }) => server.tell(socket, { type: "error", id, code: "unknown_table", message: "no", retry: false });
  const refused = client.live("public.none");
  const late = refused[Symbol.asyncIterator]();
  assert.deepEqual(await late.next(), { value: undefined, done: true });
  server.subscribe = subscribe;
  const live = client.live(ITEMS)[Symbol.asyncIterator]();
  await take(live, 1);
  const next = live.next();
  server.drop(4103, { type: "closing", code: 4103, reason: "forbidden" });
  await assert.rejects(next, /4103 forbidden/);
});

test("snapshot and changes fold to the table", async () => {
  for (const id of [1, 2, 3, 4]) server.put({ id, name: `n${id}`, body: "b" });
  await start();
  const seen = [];
  const live = client.live(ITEMS, { onChange: e => seen.push([e.op, e.id, e.changed]) });
  assert.equal(live.ready, true);
  assert_equal_tables(live);
  server.put({ id: 5, name: "five", body: "b" });
  server.put({ id: 2, name: "two", body: "b" });
  server.remove(3);
  assert_equal_tables(live);
  assert.deepEqual(seen, [["c", "5", null], ["u", "2", ["name"]], ["d", "3", null]]);
  assert.equal(live.get({ id: 2 }).name, "two");
  server.truncate();
  assert.equal(live.rows.size, 0);
});

test("any history, with losses, gaps and restarts, folds to the table", async () => {
  let seed = 20;
  const dice = n => (seed = (seed * 48271) % 2147483647) % n;
  server.keep = 4;
  await start();
  let resets = 0;
  const live = client.live(ITEMS, { onReset: () => resets++ });
  const step = [
    () => server.put({ id: dice(9), name: `n${dice(3)}`, body: `b${dice(2)}` }),
    () => server.put({ id: dice(9), name: `n${dice(3)}`, body: `b${dice(2)}` }),
    () => server.remove(dice(9)),
    () => server.rename(dice(9), dice(9)),
    () => { if (dice(20) === 0) server.truncate(); },
    () => server.tell_all({ type: "heartbeat", pos: server.pos, lag_ms: 1 }),
    () => { if (dice(3) === 0) server.drop(); },
    () => { if (dice(20) === 0) { server.drop(4001); server.epoch += "x"; } },
  ];
  for (let round = 0; round < 400; round++) {
    for (let i = dice(12); i > 0; i--) step[dice(step.length)]();
    await pass(20000);
    await pass(0);
    assert.equal(live.ready, true, `round ${round}`);
    assert_equal_tables(live);
  }
  assert.ok(resets > 10, `${resets} resets`);
  assert.ok(asked().filter(m => m.from).length > 50);
});

test("after a loss the subscription continues behind the last change, and keeps its rows", async () => {
  server.put({ id: 1, name: "a", body: "b" });
  await start();
  const live = client.live(ITEMS, { onReset: () => assert.fail("nothing was lost") });
  server.put({ id: 2, name: "b", body: "b" });
  const from = { epoch: "e1", pos: server.pos };
  server.drop();
  assert.equal(client.state, "waiting");
  assert.equal(live.rows.size, 2);
  server.remove(1);
  await pass(250);
  assert.deepEqual(asked().at(-1).from, from);
  assert.equal(asked().at(-1).snapshot, undefined);
  assert_equal_tables(live);
  assert.deepEqual(states, ["live", "waiting", "connecting", "live"]);
});

test("a heartbeat moves the place to continue from", async () => {
  await start();
  client.live(ITEMS);
  server.n = 50;
  server.tell_all({ type: "heartbeat", pos: server.pos, lag_ms: 12 });
  assert.equal(client.lag_ms, 12);
  server.drop();
  await pass(250);
  assert.equal(asked().at(-1).from.pos, server.at(50));
});

for (const [reason, spoil] of [
  ["retention", () => { server.keep = 1; }],
  ["epoch", () => { server.epoch = "e2"; }],
]) {
  test(`where the place is gone (${reason}) the rows are taken back, then sent anew`, async () => {
    server.put({ id: 1, name: "a", body: "b" });
    server.put({ id: 2, name: "b", body: "b" });
    await start();
    const told = [];
    const live = client.live(ITEMS, {
      onReset: m => told.push(["reset", m.reason, live.rows.size]),
      onRows: rows => told.push(["rows", rows.length]),
    });
    server.drop();
    for (const id of [1, 2]) server.remove(id);
    server.put({ id: 3, name: "c", body: "b" });
    spoil();
    await pass(250);
    await pass(0);
    assert.deepEqual(told, [["rows", 2], ["reset", reason, 0], ["rows", 1]]);
    assert_equal_tables(live);
  });
}

test("a snapshot cut short starts over", async () => {
  for (const id of [1, 2, 3, 4]) server.put({ id, name: "a", body: "b" });
  await start();
  const told = [];
  client.live(ITEMS, {
    onRows: rows => { told.push(rows.length); if (told.length === 1) server.drop(); },
    onReset: m => told.push(m.reason),
  });
  await pass(250);
  assert.deepEqual(told, [3, "interrupted", 3, 1]);
});

test("a reset that meets a loss is answered once", async () => {
  await start();
  client.subscribe({ table: ITEMS });
  for (let i = 0; i < 2; i++) {
    server.tell_all({ type: "reset", id: asked().at(-1).id, reason: "slow", action: "resubscribe" });
    await pass(0);
  }
  assert.equal(asked().length, 2, "the second reset in a row waits");
  server.drop();
  await pass(250);
  await pass(2000);
  assert.equal(server.last.subs.size, 1);
  assert.equal(asked().length, 3);
});

test("a server that stops a subscription is not asked again", async () => {
  await start();
  const told = [];
  const live = client.live(ITEMS, { onReset: m => told.push(m.action) });
  server.tell_all({ type: "reset", id: asked().at(-1).id, reason: "auth", action: "stop" });
  server.put({ id: 1, name: "a", body: "b" });
  server.drop();
  await pass(250);
  assert.deepEqual(told, ["stop"]);
  assert.equal(asked().length, 1);
  assert.equal(live.rows.size, 0);
});

test("a refused subscription is told, and tried again only where the server says so", async () => {
  await start();
  const told = [];
  server.subscribe = (socket, { id, table }) =>
    server.tell(socket, { type: "error", id, code: table, message: "", retry: table === "later" });
  client.subscribe({ table: "never" }, { onError: m => told.push(m.code) });
  client.subscribe({ table: "later" }, { onError: m => told.push(m.code) });
  await pass(500);
  assert.deepEqual(told, ["never", "later", "later"]);
});

for (const code of [4100, 4101, 4103]) {
  test(`close code ${code} is final`, async () => {
    await start();
    server.drop(code);
    await pass(60000);
    assert.equal(client.state, "closed");
    assert.equal(server.sockets.length, 1);
    assert.deepEqual(states, ["live", "closed"]);
  });
}

test("a final code counts too when only the closing message carried it", async () => {
  await start();
  server.drop(1006, { type: "closing", code: 4103, reason: "forbidden" });
  await pass(60000);
  assert.equal(client.state, "closed");
  assert.equal(server.sockets.length, 1);
});

for (const code of [1000, 1006, 4001, 4005, 4008, 4029]) {
  test(`close code ${code} comes back`, async () => {
    await start();
    server.drop(code);
    await pass(250);
    assert.equal(client.state, "live");
    assert.equal(server.sockets.length, 2);
  });
}

test("retry_after_ms is kept to", async () => {
  await start();
  server.drop(4001, { type: "closing", code: 4001, reason: "shutdown", retry_after_ms: 3000 });
  await pass(2999);
  assert.equal(server.sockets.length, 1);
  await pass(1);
  assert.equal(client.state, "live");
});

test("attempts grow apart, up to the limit, by chance within half", async () => {
  server.open = false;
  await start({ backoff: { min_ms: 100, max_ms: 400, factor: 2, random: () => 0 } });
  const waits = [];
  client.on("state", s => { if (s.state === "waiting") waits.push(s.retry_in_ms); });
  for (let i = 0; i < 4; i++) await pass(400);
  assert.deepEqual(waits, [100, 200, 200, 200]);
});

test("silence for two and a half heartbeats is a loss", async () => {
  await start();
  await pass(2000);
  server.tell_all({ type: "heartbeat", pos: server.pos, lag_ms: 0 });
  await pass(2499);
  assert.equal(client.state, "live");
  await pass(1);
  assert.equal(client.state, "waiting");
  await pass(250);
  assert.equal(client.state, "live");
});

test("a server that never welcomes is given up on", async () => {
  server.accept = () => {};
  await start();
  await pass(10000);
  assert.equal(client.state, "waiting");
});

test("what is not JSON ends the connection instead of leaving a gap", async () => {
  await start();
  server.last.onmessage({ data: "{\"type\":" });
  assert.equal(client.state, "waiting");
});

test("several messages come in one frame", async () => {
  await start();
  const seen = [];
  client.subscribe({ table: ITEMS }, c => seen.push(c.row.id));
  const change = n => ({ type: "change", channel: 7, pos: server.at(n), op: "c", key: { id: n }, row: { id: n } });
  server.tell_all(change(1), { type: "a later invention" }, change(2), change(3));
  server.last.onmessage({ data: `${JSON.stringify(change(4))}\n\n` });
  assert.deepEqual(seen, [1, 2, 3, 4]);
  assert.equal(client.state, "live");
});

test("after unsubscribe nothing comes, now or later", async () => {
  await start();
  const seen = [];
  const sub = client.subscribe({ table: ITEMS }, c => seen.push(c.row.id));
  const other = client.live(ITEMS, { snapshot: false });
  sub.unsubscribe();
  sub.unsubscribe();
  assert.deepEqual(asked("unsubscribe"), [{ type: "unsubscribe", id: asked()[0].id }]);
  server.put({ id: 1, name: "a", body: "b" });
  assert.deepEqual(seen, []);
  assert_equal_tables(other);
  server.drop();
  await pass(250);
  assert.equal(asked().length, 3);
});

test("an update that changes the key moves the row, large value and all", async () => {
  server.put({ id: 1, name: "a", body: "large" });
  await start();
  const seen = [];
  const live = client.live(ITEMS, { onChange: e => seen.push([e.op, e.id]) });
  server.rename(1, 9);
  assert.deepEqual(seen, [["d", "1"], ["c", "9"]]);
  assert.deepEqual([...live.rows], [["9", { id: 9, name: "a", body: "large" }]]);
});

test("an unchanged large value is kept, one left out is not", async () => {
  server.put({ id: 1, name: "a", body: "large" });
  await start();
  const changed = [];
  const live = client.live(ITEMS, { onChange: e => changed.push(e.changed) });
  server.change("u", { id: 1 }, { id: 1, name: "b" }, { unchanged: ["body"] });
  assert.equal(live.get({ id: 1 }).body, "large");
  server.change("u", { id: 1 }, { id: 1, name: "b" }, { omitted: ["body"] });
  assert.equal(live.get({ id: 1 }).body, undefined);
  assert.deepEqual(changed, [["name"], ["body"]]);
});

test("rows enter and leave a filter; an exit of an unknown row is nothing", async () => {
  await start();
  const live = client.live(ITEMS, { where: ["name", "eq", "a"] });
  assert.deepEqual(asked()[0].where, ["name", "eq", "a"]);
  server.change("enter", { id: 1 }, { id: 1, name: "a", body: "b" });
  server.change("u", { id: 2 }, { id: 2, name: "a", body: "b" });
  assert.deepEqual([...live.rows.keys()], ["1", "2"]);
  server.change("exit", { id: 1 }, null);
  server.change("exit", { id: 8 }, null);
  assert.deepEqual([...live.rows.keys()], ["2"]);
});

test("a key of several columns is not confused", async () => {
  server.key = ["id", "name"];
  await start();
  const live = client.live(ITEMS);
  server.change("c", { id: "a", name: "b,c" }, { id: "a", name: "b,c", body: 1 });
  server.change("c", { id: "a,b", name: "c" }, { id: "a,b", name: "c", body: 2 });
  assert.equal(live.rows.size, 2);
  assert.equal(live.get({ name: "c", id: "a,b" }).body, 2);
});

test("a table without a key keeps equal rows apart", async () => {
  server.key = null;
  await start();
  const live = client.live(ITEMS);
  const row = { id: 1, name: "a", body: null };
  for (let i = 0; i < 3; i++) server.change("c", null, { ...row });
  assert.equal(live.rows.size, 3);
  server.change("u", null, { ...row, name: "b" }, { old: row });
  server.change("d", null, null, { old: row });
  assert.deepEqual([...live.rows.values()].map(r => r.name).sort(), ["a", "b"]);
});

test("changes of a shared channel wait for the snapshot, and none counts twice", async () => {
  await start();
  const first = [];
  client.subscribe({ table: ITEMS }, c => first.push(c.row.id));
  const create = n => ({ type: "change", channel: 7, pos: server.at(n), op: "c", key: { id: n }, row: { id: n } });
  const hello = { type: "subscribed", channel: 7, mode: "snapshot", pos: server.at(0), key: ["id"], columns: [] };
  server.subscribe = (socket, m) => server.tell(socket, { ...hello, id: m.id },
    create(1), { type: "rows", id: m.id, rows: [{ id: 1 }] }, create(2),
    { type: "ready", id: m.id, pos: server.at(1), count: 1 }, create(2), create(3));
  const second = [];
  const live = client.live(ITEMS, { onChange: e => second.push(e.id) });
  assert.deepEqual(first, [1, 2, 3]);
  assert.deepEqual(second, ["2", "3"]);
  assert.deepEqual([...live.rows.keys()], ["1", "2", "3"]);
});

test("a transaction that the snapshot holds already is not told", async () => {
  await start();
  const told = [];
  const end = (type, n) => ({ type, channel: 7, tx: n, pos: server.at(n) });
  const hello = { type: "subscribed", channel: 7, mode: "snapshot", pos: server.at(0), key: ["id"], columns: [] };
  server.subscribe = (socket, m) => server.tell(socket, { ...hello, id: m.id },
    end("begin", 1), end("commit", 2), end("begin", 3), { type: "ready", id: m.id, pos: server.at(2), count: 0 });
  const tell = m => told.push(m.tx ?? "ready");
  client.subscribe({ table: ITEMS, snapshot: true }, { onBegin: tell, onCommit: tell, onReady: tell });
  assert.deepEqual(told, ["ready", 3]);
});

test("a handler that takes its time is waited for, in order, and paces the snapshot", async () => {
  for (const id of [1, 2, 3, 4]) server.put({ id, name: "a", body: "b" });
  await start();
  const told = [];
  const done = [];
  const slow = name => detail => {
    told.push([name, detail.length ?? detail.op]);
    return new Promise(resolve => done.push(resolve));
  };
  client.subscribe({ table: ITEMS, snapshot: true, paced: true }, { onRows: slow("rows"), onChange: slow("change") });
  server.remove(1);
  assert.deepEqual(told, [["rows", 3]]);
  assert.equal(asked("more").length, 0);
  for (let i = 0; i < 3; i++) { done[i](); await settle(); }
  assert.deepEqual(told, [["rows", 3], ["rows", 1], ["change", "d"]]);
  assert.equal(asked("more").length, 2);
});

test("the position to keep is that of the change that a handler is at, not of what waits for it", async () => {
  await start();
  const done = [];
  const sub = client.subscribe({ table: ITEMS }, { onChange: () => new Promise(resolve => done.push(resolve)), onReset: () => {} });
  for (const id of [1, 2, 3]) server.put({ id, name: "a", body: "b" });
  assert.deepEqual([sub.epoch, sub.pos], ["e1", server.at(1)]);
  server.drop();
  await pass(250);
  assert.equal(asked().at(-1).from.pos, server.at(3), "what came is not asked for again");
  assert.equal(sub.pos, server.at(1));
  server.tell_all({ type: "reset", id: asked().at(-1).id, reason: "slow", action: "resubscribe" });
  for (const n of [2, 3]) {
    done.shift()();
    await settle();
    assert.deepEqual([sub.epoch, sub.pos], ["e1", server.at(n)], "a reset waits for its turn, too");
  }
  done.shift()();
  await settle();
  assert.deepEqual([sub.epoch, sub.pos], [null, null]);
});

test("a snapshot that the server gives up is begun anew, without the rows that had come", async () => {
  for (const id of [1, 2, 3, 4]) server.put({ id, name: "a", body: "b" });
  await start();
  const told = [];
  const whole = server.subscribe;
  const fail = retry => (socket, { id }) => server.tell(socket,
    { type: "subscribed", id, channel: 7, mode: "snapshot", pos: server.pos, key: ["id"], columns: server.columns },
    { type: "rows", id, rows: [{ id: 9, name: "gone", body: "" }] }, { type: "error", id, code: "snapshot_failed", message: "", retry });
  server.subscribe = fail(true);
  const live = client.live(ITEMS, { onRows: rows => told.push(rows.length), onReset: m => told.push(m.reason), onError: m => told.push(m.code) });
  assert.deepEqual(told, [1, "interrupted", "snapshot_failed"]);
  assert.equal(live.rows.size, 0);
  server.subscribe = whole;
  await pass(1000);
  assert.deepEqual(told.slice(3), [3, 1]);
  assert_equal_tables(live);
  server.subscribe = fail(false);
  const other = client.live(ITEMS, { onReset: m => told.push(m.action) });
  await pass(60000);
  assert.equal(told.at(-1), "stop");
  assert.equal(other.rows.size, 0);
});

test("a table that may not be followed any more is not held any more", async () => {
  server.put({ id: 1, name: "a", body: "b" });
  await start();
  const live = client.live(ITEMS);
  assert.equal(live.rows.size, 1);
  server.subscribe = (socket, { id }) => server.tell(socket, { type: "error", id, code: "unknown_table", message: "", retry: false });
  server.drop();
  await pass(250);
  assert.deepEqual([live.rows.size, live.ready], [0, false]);
});

test("where the client stands is a place of the present epoch, also when that changes on the way", async () => {
  for (const id of [1, 2, 3]) server.put({ id, name: "a", body: "b" });
  await start();
  client.subscribe({ table: ITEMS });
  assert.deepEqual([client.epoch, client.pos], ["e1", server.at(3)]);
  server.tell_all({ ...server.reset(asked().at(-1).id, "epoch"), epoch: "e2" }, { type: "heartbeat", pos: server.at(1), lag_ms: 0 });
  assert.deepEqual([client.epoch, client.pos], ["e2", server.at(1)]);
});

test("requests stay below the advertised rate", async () => {
  server.rate = 10;
  await start();
  for (let i = 0; i < 12; i++) client.subscribe({ table: `public.t${i}` });
  assert.equal(asked().length, 5);
  await pass(1000);
  assert.equal(asked().length, 10);
  await pass(1000);
  assert.deepEqual(asked().map(m => m.table), Array.from({ length: 12 }, (_, i) => `public.t${i}`));
});

test("begin and commit enclose a transaction's changes", async () => {
  await start();
  const told = [];
  client.subscribe({ table: ITEMS, transactions: true },
    { onBegin: m => told.push(m.type), onChange: m => told.push(m.op), onCommit: m => told.push(m.count) });
  server.tell_all({ type: "begin", channel: 7, tx: 1, pos: server.at(1), ts_ms: 1 });
  server.put({ id: 1, name: "a", body: "b" });
  server.tell_all({ type: "commit", channel: 7, tx: 1, pos: server.pos, count: 1 });
  assert.deepEqual(told, ["begin", "c", 1]);
});

test("a position kept from earlier is where the stream continues; too old, the rows come instead", async () => {
  for (const id of [1, 2, 3]) server.put({ id, name: "a", body: "b" });
  await start();
  const seen = [];
  const from = { epoch: "e1", pos: server.at(2) };
  client.subscribe({ table: ITEMS, snapshot: true, from }, c => seen.push(c.row.id));
  assert.deepEqual(seen, [3]);
  const told = [];
  client.subscribe({ table: ITEMS, snapshot: true, from: { ...from, epoch: "e0" } },
    { onReset: m => told.push(m.reason), onReady: m => told.push(m.count) });
  assert.deepEqual(told, ["epoch", 3]);
});

test("close is for good, until reconnect is asked for", async () => {
  await start();
  const live = client.live(ITEMS);
  client.close();
  await pass(60000);
  assert.equal(client.state, "closed");
  assert.equal(server.sockets.length, 1);
  server.put({ id: 1, name: "a", body: "b" });
  client.reconnect();
  await settle();
  assert.equal(client.state, "live");
  assert_equal_tables(live);
});

test("a column that is added comes to rows that are held", async () => {
  await start();
  server.put({ id: "1", name: "a", body: "b" });
  const live = client.live(ITEMS);
  const events = [];
  for (const event of ["reset", "ready", "change"]) live.on(event, m => events.push(m.reason ?? event));
  await settle();
  server.columns = [...server.columns, { name: "extra", type: "int4" }];
  for (const row of server.rows.values()) row.extra = "7"; // its default
  const { id } = asked().at(-1);
  server.tell_all({ type: "subscribed", id, channel: 8, mode: "live", pos: server.pos, key: server.key, columns: server.columns });
  assert.deepEqual(asked("unsubscribe").map(m => m.id), [id]);
  await pass(1000);
  assert.deepEqual(events, ["schema", "ready"]);
  assert_equal_tables(live);
  assert.equal(live.rows.get("1").extra, "7");
  assert.equal(live.columns.length, 4);
});

test("a subscription goes on in another channel with an added column", async () => {
  await start();
  const got = [];
  const sub = client.subscribe({ table: ITEMS }, { onSubscribed: m => got.push(m.columns.length), onChange: m => got.push(m.key.id) });
  await settle();
  server.put({ id: "1", name: "a", body: "b" });
  const columns = [...server.columns, { name: "extra", type: "int4" }];
  server.tell_all({ type: "subscribed", id: sub.id, channel: 8, mode: "live", pos: server.pos, key: server.key, columns });
  server.tell_all({ ...server.change("c", { id: "2" }, { id: "2", extra: 1 }), channel: 8 }); // 7 is not ours any more
  assert.deepEqual(got, [3, "1", 4, "2"]);
  assert.equal(sub.columns.length, 4);
});

test("transactions are handed on, and a new connection continues behind the last whole one", async () => {
  await start();
  const events = [];
  const live = client.live(ITEMS, { transactions: true, onCommit: m => events.push(`commit ${m.count}`) });
  live.on("begin", m => events.push(`begin ${m.tx}`));
  live.on("change", m => events.push(m.op));
  await settle();
  assert.equal(asked().at(-1).transactions, true);
  server.tell_all({ type: "begin", channel: 7, tx: 5, pos: server.pos, ts_ms: 1 });
  server.put({ id: "1", name: "a", body: "b" });
  const pos = `${server.pos}F`;
  server.tell_all({ type: "commit", channel: 7, tx: 5, pos, count: 1 });
  assert.deepEqual(events, ["begin 5", "c", "commit 1"]);
  server.drop();
  await pass(1000);
  assert.equal(asked().at(-1).from.pos, pos);
});

test("paced rows are asked for when the handler is done", async () => {
  await start();
  for (let i = 0; i < 7; i++) server.put({ id: String(i), name: "a", body: "b" });
  let done = null;
  client.subscribe({ table: ITEMS, snapshot: true, paced: true }, { onRows: () => new Promise(resolve => { done = resolve; }) });
  await settle();
  assert.equal(asked("more").length, 0);
  done();
  await settle();
  assert.deepEqual(asked("more").map(m => m.id), [asked().at(-1).id]);
});
