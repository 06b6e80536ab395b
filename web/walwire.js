/**
 * walwire.js - a client for walwire.v1: watch PostgreSQL tables change over one WebSocket.
 *
 *   const client = connect("wss://host/ws");
 *   const orders = client.live("public.orders", { onChange: e => console.log(e.op, e.row) });
 *
 * A lost connection comes back by itself: each subscription continues behind the last position it saw, and where the
 * server no longer has that position, `onReset` says so before the rows come anew. Never a silent gap.
 * Positions are opaque strings that sort; they are compared within one epoch only. Types: walwire.d.ts.
 */

const PROTOCOL = "walwire.v1";
const BACKOFF = { min_ms: 250, max_ms: 10000, factor: 2, random: Math.random };
const CONNECT_MS = 10000;
const HEARTBEAT_MS = 15000;
const EXPIRED = 4005;
const RENEW_MIN_MS = 500;
const TIMER_MAX_MS = 2 ** 31 - 1;
const BACKLOG = 10000; // events that wait for a slow `for await`

/** Open a connection that stays open until `close()`. */
export function connect(url, options = {}) {
  return new Client(url, options);
}

/** Half of the delay is fixed and half is chance, so that many clients do not come back at the same moment. */
function delay_ms(tries, { min_ms, max_ms, factor, random }) {
  const full = Math.min(max_ms, min_ms * factor ** tries);
  return Math.round(full / 2 + (random() * full) / 2);
}

/** How long a token lasts, in ms, as far as it says so itself: the server's clock knows better. */
function lasts_ms(token) {
  try {
    const { exp } = JSON.parse(atob(token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/")));
    return exp * 1000 - Date.now();
  } catch { return 0; }
}

/** An error in a user's handler is reported as the platform reports any, and never stops the stream. */
function report(error) {
  queueMicrotask(() => { throw error; });
}

function same(a, b) {
  return a === b || (typeof a === "object" && typeof b === "object" && JSON.stringify(a) === JSON.stringify(b));
}

class Emitter {
  #listeners = new Map();

  /** Call `fn` at every `event`; returns a function that stops it. */
  on(event, fn) {
    if (!this.#listeners.has(event)) this.#listeners.set(event, new Set());
    this.#listeners.get(event).add(fn);
    return () => this.#listeners.get(event).delete(fn);
  }

  _emit(event, detail) {
    for (const fn of this.#listeners.get(event) ?? []) {
      try { fn(detail); } catch (error) { report(error); }
    }
  }
}

/** The connection: events `state`, `welcome`, `heartbeat`, `error`. `state` is connecting, live, waiting (for the next
 *  attempt) or closed (for good, with a reason). */
export class Client extends Emitter {
  state = "connecting"; welcome = null; epoch = null; pos = null; lag_ms = null;

  #url; #options; #backoff;
  #socket = null; #closing = null;
  #attempt = 0;          // a token that comes late belongs to an older attempt
  #tries = 0;
  #token = null; #renewal = null; #opened = false;
  #timer = null;         // one at a time: waiting to connect, or watching for silence
  #heard = 0;
  #subs = new Map();     // id -> Subscription; each request has a new id, so late answers to old ones fall away
  #channels = new Map(); // channel -> Set of Subscription: one change may be for several
  #next = 1;
  #outbox = []; #flusher = null; #second = 0; #sent = 0;

  constructor(url, options) {
    super();
    this.#url = new URL(url, globalThis.location?.href);
    this.#url.protocol = this.#url.protocol.replace(/^http/, "ws");
    if (options.client) this.#url.pathname += `/${encodeURIComponent(options.client)}`;
    this.#options = { WebSocket: globalThis.WebSocket, ...options };
    this.#backoff = { ...BACKOFF, ...options.backoff };
    this.#open();
  }

  /** Follow a table. `handlers` are callbacks by name, or one function for changes. A handler that returns a promise
   *  is awaited before the next one is called. */
  subscribe(request, handlers = {}) {
    const link = {
      send: message => this.#send(message),
      again: (sub, tries) => this.#again(sub, tries),
      end: sub => this.#end(sub),
    };
    const sub = new Subscription(request, typeof handlers === "function" ? { onChange: handlers } : handlers, link);
    this.#subs.set(sub.id = this.#next++, sub);
    if (this.state === "live") this.#ask(sub);
    return sub;
  }

  /** The table as a Map that stays true. */
  live(table, options = {}) {
    return new LiveTable(this, table, options);
  }

  /** Replace the token, now and for later connections. */
  auth(token) {
    this.#options.token = token;
    if (this.#opened) this.#present(token);
  }

  /** Try at once instead of waiting; also revives a client that was closed. */
  reconnect() {
    if (this.#socket) return;
    this.#open();
  }

  close() {
    this.#hang_up();
    this.#become("closed", { code: 1000, reason: "closed by the client" });
  }

  #become(state, detail = {}) {
    this.state = state;
    this._emit("state", { state, ...detail });
  }

  async #open() {
    const attempt = ++this.#attempt;
    const { WebSocket } = this.#options;
    clearTimeout(this.#timer);
    if (this.state !== "connecting") this.#become("connecting");
    try {
      const token = await this.#fresh();
      if (attempt === this.#attempt) this.#listen(new WebSocket(this.#url.href, [PROTOCOL]), token);
    } catch (error) {
      if (attempt === this.#attempt) this.#lost(0, String(error?.message ?? error));
    }
  }

  async #fresh() {
    const { token } = this.#options;
    return typeof token === "function" ? token() : token;
  }

  #present(token) {
    this.#token = token;
    this.#send({ type: "auth", token });
    this.#renew_within(lasts_ms(token));
  }

  /** A new token when a fifth of this one is left; where none is to be had, again and again until it ends, and then the
   *  server ends the connection. */
  #renew_within(left_ms) {
    const wait = left_ms * 0.8;
    clearTimeout(this.#renewal);
    if (typeof this.#options.token === "function" && wait >= RENEW_MIN_MS && wait < TIMER_MAX_MS)
      this.#renewal = setTimeout(() => this.#renew(left_ms - wait, this.#attempt), wait);
  }

  async #renew(left_ms, attempt) {
    let token = null;
    try {
      token = await this.#fresh();
    } catch (error) {
      this._emit("error", { code: "token", message: String(error?.message ?? error), retry: true });
    }
    if (attempt !== this.#attempt) return;
    if (token && token !== this.#token) this.#present(token);
    else this.#renew_within(left_ms);
  }

  #listen(socket, token) {
    const current = fn => event => { if (socket === this.#socket) fn(event); };
    this.#socket = socket;
    this.#closing = this.welcome = null;
    this.#heard = Date.now();
    socket.onopen = current(() => {
      this.#opened = true;
      if (token) this.#present(token);
    });
    socket.onmessage = current(event => this.#frame(event.data));
    socket.onclose = current(event => this.#lost(event.code, event.reason));
    socket.onerror = () => {}; // a close follows
    this.#watch();
  }

  /** A connection may be dead without saying so: the server promises heartbeats, so silence is a loss. */
  #watch() {
    const limit = this.welcome ? 2.5 * (this.welcome.heartbeat_ms || HEARTBEAT_MS) : CONNECT_MS;
    const silent = Date.now() - this.#heard;
    clearTimeout(this.#timer);
    if (silent >= limit) this.#lost(0, "the server fell silent");
    else this.#timer = setTimeout(() => this.#watch(), limit - silent);
  }

  #hang_up() {
    const socket = this.#socket;
    this.#socket = null;
    this.#opened = false;
    this.#attempt++;
    this.#outbox = [];
    this.#channels.clear();
    clearTimeout(this.#timer);
    clearTimeout(this.#renewal);
    clearTimeout(this.#flusher);
    this.#flusher = null;
    socket?.close();
  }

  #lost(socket_code, socket_reason) {
    const { code = socket_code, reason = socket_reason, retry_after_ms } = this.#closing ?? {};
    this.#hang_up();
    if (code >= 4100 && code <= 4199) return this.#become("closed", { code, reason });
    const tries = this.#tries++;
    const renews = code === EXPIRED && !tries && typeof this.#options.token === "function";
    const retry_in_ms = retry_after_ms ?? (renews ? 0 : delay_ms(tries, this.#backoff));
    this.#timer = setTimeout(() => this.#open(), retry_in_ms);
    this.#become("waiting", { code, reason, retry_in_ms });
  }

  #frame(data) {
    const socket = this.#socket;
    this.#heard = Date.now();
    for (const line of data.split("\n")) {
      if (socket !== this.#socket) return;
      if (line.trim() === "") continue;
      let message;
      try { message = JSON.parse(line); } catch { return this.#lost(0, "the server sent what is not JSON"); }
      this.#take(message);
    }
  }

  #take(m) {
    const sub = this.#subs.get(m.id);
    if (m.epoch && m.epoch !== this.epoch) [this.epoch, this.pos] = [m.epoch, null];
    if (m.pos && !(m.pos < this.pos)) this.pos = m.pos;
    if (m.expires_in_ms) this.#renew_within(m.expires_in_ms);
    switch (m.type) {
      case "welcome": return this.#welcomed(m);
      case "heartbeat": return this.#beat(m);
      case "closing": this.#closing = m; return;
      case "authorized": if (m.tables && this.welcome) this.welcome.tables = m.tables; return;
      case "change": case "begin": case "commit":
        this.#channels.get(m.channel)?.forEach(s => s._stream(m));
        return;
      case "subscribed": if (sub) this.#join(sub, m.channel);
    }
    if (sub) sub._take(m, this.epoch);
    else if (m.type === "error") this._emit("error", m);
  }

  #welcomed(m) {
    this.welcome = m;
    this.pos = m.pos;
    this.state = "live";
    this.#watch();
    for (const sub of [...this.#subs.values()]) this.#ask(sub);
    this._emit("welcome", m);
    this.#become("live");
  }

  #beat(m) {
    this.#tries = 0;
    this.lag_ms = m.lag_ms;
    for (const sub of this.#subs.values()) sub._passed(m.pos);
    this._emit("heartbeat", m);
  }

  #ask(sub) {
    this.#rename(sub);
    const request = sub._ask(this.epoch);
    if (this.#subs.has(sub.id)) this.#send(request);
  }

  #again(sub, tries) {
    const id = this.#rename(sub);
    setTimeout(() => { if (this.state === "live" && this.#subs.has(id)) this.#ask(sub); },
      tries ? delay_ms(tries, this.#backoff) : 0);
  }

  #rename(sub) {
    this.#leave(sub);
    this.#subs.set(sub.id = this.#next++, sub);
    return sub.id;
  }

  #join(sub, channel) {
    this.#channels.get(sub.channel)?.delete(sub); // a column was added: it goes on in another one
    if (!this.#channels.has(channel)) this.#channels.set(channel, new Set());
    this.#channels.get(channel).add(sub);
  }

  #leave(sub) {
    this.#subs.delete(sub.id);
    this.#channels.get(sub.channel)?.delete(sub);
  }

  #end(sub) {
    if (this.state === "live" && sub.state !== "waiting") this.#send({ type: "unsubscribe", id: sub.id });
    this.#leave(sub);
  }

  #send(message) {
    this.#outbox.push(JSON.stringify(message));
    if (!this.#flusher) this.#flush();
  }

  /** Half the advertised rate in each second, so that two neighbouring seconds together never exceed it. */
  #flush() {
    const now = Date.now();
    const rate = Math.max(1, Math.floor((this.welcome?.limits?.rate || Infinity) / 2));
    this.#flusher = null;
    if (now - this.#second >= 1000) [this.#second, this.#sent] = [now, 0];
    for (; this.#outbox.length > 0 && this.#sent < rate; this.#sent++) this.#socket?.send(this.#outbox.shift());
    if (this.#outbox.length > 0) this.#flusher = setTimeout(() => this.#flush(), this.#second + 1000 - now);
  }
}

/** One table followed. `state`: waiting (not asked), pending (asked), snapshot (rows are coming), live, ended. */
export class Subscription {
  id = 0; state = "waiting"; channel = null; mode = null; key = null; columns = null; deletes = null;
  epoch = null; pos = null; // what the handlers have got to: with one that takes its time, behind what came

  #request; #handlers; #link;
  #epoch = null; #pos = null; // where a new connection continues
  #told = false;            // the user holds something that a reset must take back
  #seen = null;             // last change handed on
  #held = [];               // changes on a shared channel while our own snapshot is still coming
  #resets = 0;
  #queue = []; #busy = false;

  constructor(request, handlers, link) {
    [this.#request, this.#handlers, this.#link] = [request, handlers, link];
    if (typeof request.from !== "object" || !request.from) return;
    this.#place(request.from.epoch, this.#seen = request.from.pos);
    this.#told = true;
  }

  unsubscribe() {
    if (this.state === "ended") return;
    this.#link.end(this);
    this.state = "ended";
    this.#queue = [];
  }

  /** The request for this connection: to continue where that is possible, else what the user asked for. */
  _ask(epoch) {
    const { from, snapshot, ...request } = this.#request;
    this.state = "waiting";
    this.#held = [];
    if (this.#told && this.#pos === null) this.#reset("interrupted");
    else if (this.#told && this.#epoch !== epoch) this.#reset("epoch");
    if (this.state === "waiting") this.state = "pending";
    const start = this.#pos !== null ? { from: { epoch, pos: this.#pos } }
      : snapshot ? { snapshot } : from === "now" ? { from } : {};
    return { type: "subscribe", id: this.id, ...request, ...start };
  }

  _take(m, epoch) {
    switch (m.type) {
      case "subscribed": return this.#subscribed(m, epoch);
      case "rows": return this.#rows(m);
      case "ready": return this.#ready(m);
      case "reset": return this.#was_reset(m);
      case "error": return this.#refused(m);
    }
  }

  _stream(m) {
    if (this.state === "snapshot") return void this.#held.push(m);
    if (m.type !== "change") {
      if (m.type === "commit") this._passed(m.pos);
      return this.#call(m.type === "begin" ? "onBegin" : "onCommit", m);
    }
    if (m.pos <= this.#seen) return;
    this.#seen = m.pos;
    this.#resets = 0;
    this._passed(m.pos);
    this.#call("onChange", m);
  }

  _passed(pos) {
    if (this.state === "live" && !(pos < this.#pos)) this.#place(this.#epoch, pos);
  }

  #place(epoch, pos) {
    [this.#epoch, this.#pos] = [epoch, pos];
    this.#run(() => { [this.epoch, this.pos] = [epoch, pos]; });
  }

  /** Everything anew, after a moment that differs from client to client. */
  _restart() {
    this.#link.end(this);
    this.#was_reset({ reason: "schema" }, 1);
  }

  #subscribed(m, epoch) {
    const { channel, mode, key, columns, deletes } = m;
    const live = mode !== "snapshot";
    Object.assign(this, { channel, mode, key, columns, deletes, state: live ? "live" : mode });
    this.#place(epoch, live ? this.#pos ?? m.pos ?? null : null);
    this.#told ||= live;
    this.#call("onSubscribed", m);
  }

  #rows(m) {
    this.#told = true;
    this.#call("onRows", m.rows);
    if (this.#request.paced) this.#run(() => { if (m.id === this.id) this.#link.send({ type: "more", id: m.id }); });
  }

  #ready(m) {
    const held = this.#held.filter(change => change.pos > m.pos);
    this.state = "live";
    this.#place(this.#epoch, this.#seen = m.pos);
    this.#told = true;
    this.#held = [];
    this.#call("onReady", m);
    for (const change of held) this._stream(change);
  }

  #was_reset(m, tries = this.#resets++) {
    this.state = "waiting";
    this.#reset(m.reason, m.action);
    if (this.state === "ended") return;
    if (m.action === "stop") this.#finish();
    else this.#link.again(this, tries);
  }

  /** A snapshot may be refused when some of its rows are there already. */
  #refused(m) {
    const snapshot = this.state === "snapshot";
    const open = snapshot || this.state === "pending";
    if (open) this.state = "waiting";
    if (open && this.#told && (snapshot || !m.retry)) this.#reset("interrupted", m.retry ? "resubscribe" : "stop");
    if (open && this.state === "waiting") {
      if (m.retry) this.#link.again(this, ++this.#resets);
      else this.#finish();
    }
    this.#call("onError", m);
  }

  #finish() {
    this.#link.end(this);
    this.state = "ended";
  }

  #reset(reason, action = "resubscribe") {
    this.#place(null, this.#seen = null);
    this.#told = false;
    this.#call("onReset", { reason, action });
  }

  #call(name, detail) {
    this.#run(() => this.#handlers[name]?.(detail));
  }

  #run(step) {
    this.#queue.push(step);
    while (!this.#busy && this.#queue.length > 0) {
      try {
        const result = this.#queue.shift()();
        if (typeof result?.then === "function") this.#wait(result);
      } catch (error) { report(error); }
    }
  }

  #wait(promise) {
    this.#busy = true;
    promise.then(null, report).then(() => { this.#busy = false; this.#run(() => {}); });
  }
}

/** A table folded into `rows`, a Map from the key as a string to the row. Events: `subscribed`, `rows`, `ready`,
 *  `change`, `begin`, `commit`, `reset`, `error`; listeners may also be given in the options as `onChange` and so on. */
export class LiveTable extends Emitter {
  rows = new Map(); key = []; columns = []; ready = false;

  #sub; #client;
  #gone = null;        // the row that the last change deleted: a changed key is a delete, then a create
  #copies = new Map(); // tables without a key: how many equal rows there are

  constructor(client, table, options) {
    super();
    const request = { snapshot: true, old: "full", ...options, table, format: "row" };
    for (const event of ["subscribed", "rows", "ready", "change", "begin", "commit", "reset", "error"]) {
      const name = `on${event[0].toUpperCase()}${event.slice(1)}`;
      if (request[name]) this.on(event, request[name]);
      delete request[name];
    }
    this.#client = client;
    this.#sub = client.subscribe(request, {
      onSubscribed: m => this.#subscribed(m),
      onRows: rows => { for (const row of rows) this.rows.set(this.#slot(row, 1), row); this._emit("rows", rows); },
      onReady: m => { this.ready = true; this._emit("ready", m); },
      onChange: m => this._emit("change", this.#fold(m)),
      onBegin: m => this._emit("begin", m),
      onCommit: m => this._emit("commit", m),
      onReset: m => { this.#clear(); this.ready = false; this._emit("reset", m); },
      onError: m => this._emit("error", m),
    });
  }

  get pos() { return this.#sub.pos; }

  onChange(fn) { return this.on("change", fn); }

  get(key) { return this.rows.get(this.id(key)); }

  close() {
    this.#sub.unsubscribe();
    this._emit("end", null);
  }

  /** All that happens from now on: the changes, and among them `{op: "ready"}` and `{op: "reset"}`. Who falls far behind
   *  is told of a reset, "slow", and can read `rows`, which are true at any time. Ends with `close()`. */
  async *[Symbol.asyncIterator]() {
    const now_ready = () => (this.ready ? [{ op: "ready", count: this.rows.size }] : []);
    let queue = now_ready();
    let wake, ended = this.#sub.state === "ended", failure = null;
    const end = reason => { ended = true; failure = reason; wake?.(); };
    const add = event => {
      queue.push(event);
      if (queue.length > BACKLOG) queue = [{ op: "reset", reason: "slow" }, ...now_ready()];
      wake?.();
    };
    const stops = [
      this.on("ready", m => add({ op: "ready", count: m.count })),
      this.on("change", add),
      this.on("reset", m => { add({ op: "reset", reason: m.reason }); if (m.action === "stop") end(null); }),
      this.on("error", m => { if (!m.retry) end(new Error(`walwire: ${m.code}: ${m.message}`)); }),
      this.on("end", end),
      this.#client.on("state", s => {
        if (s.state === "closed") end(s.code === 1000 ? null : new Error(`walwire: closed, ${s.code} ${s.reason}`));
      }),
    ];
    try {
      for (;;) {
        if (queue.length) yield queue.shift();
        else if (ended) break;
        else await new Promise(resolve => { wake = resolve; });
      }
      if (failure) throw failure;
    } finally {
      for (const stop of stops) stop();
    }
  }

  /** The Map's key of a row or a key object: the value of the one key column, or a JSON array of several. */
  id(row) {
    const names = this.key.length ? this.key : this.columns.map(column => column.name);
    if (this.key.length && names.some(name => row[name] === undefined))
      throw new Error(`walwire: the key columns (${names.join(", ")}) must be among the subscribed columns`);
    return this.key.length === 1 ? String(row[names[0]]) : JSON.stringify(names.map(name => row[name] ?? null));
  }

  /** A column that is added while rows are held is in none of them: they come anew. */
  #subscribed(m) {
    const widened = this.rows.size > 0 && m.mode === "live" && this.columns.length < m.columns?.length;
    this.key = m.key ?? [];
    this.columns = m.columns ?? [];
    if (widened) return this.#sub._restart();
    if (m.mode !== "snapshot") this.ready = true;
    this._emit("subscribed", m);
  }

  #clear() {
    this.rows.clear();
    this.#copies.clear();
    this.#gone = null;
  }

  /** Where a row that comes (step 1) or goes (-1) belongs: equal rows of a table without a key get a number each. */
  #slot(row, step) {
    const id = this.id(row);
    if (this.key.length) return id;
    const copies = this.#copies.get(id) ?? 0;
    const left = Math.max(0, copies + step);
    if (left) this.#copies.set(id, left);
    else this.#copies.delete(id);
    return Math.min(copies, left) ? `${id}#${Math.min(copies, left)}` : id;
  }

  #remove(row) {
    const id = this.#slot(row, -1);
    const previous = this.rows.get(id) ?? null;
    this.rows.delete(id);
    return { id, previous };
  }

  #fold(m) {
    const gone = this.#gone;
    this.#gone = null;
    if (m.op === "t") {
      const count = this.rows.size;
      this.#clear();
      return { ...m, id: null, row: null, previous: null, changed: null, count };
    }
    if (m.op !== "d" && m.op !== "exit") return this.#upsert(m, gone);
    const { id, previous } = this.#remove(this.key.length ? m.key : m.old ?? m.key);
    this.#gone = previous;
    return { ...m, id, row: null, previous: previous ?? this.#whole(m.old), changed: null };
  }

  #upsert(m, gone) {
    const keyed = this.key.length > 0;
    const replaces = !keyed && m.op === "u" && m.old;
    const held = keyed ? this.rows.get(this.id(m.key ?? m.row)) : replaces ? this.#remove(m.old).previous : null;
    const row = { ...m.row };
    for (const name of m.unchanged ?? []) {
      const source = [held, m.old, m.op === "c" ? gone : null].find(known => known?.[name] !== undefined);
      if (source) row[name] = source[name];
    }
    const id = this.#slot(keyed ? m.key ?? row : row, 1);
    this.rows.set(id, row);
    const previous = held ?? this.#whole(m.old);
    const names = this.columns.map(column => column.name);
    return { ...m, id, row, previous, changed: previous && names.filter(name => !same(previous[name], row[name])) };
  }

  /** An old image is one only when it holds more than the key. */
  #whole(old) {
    return old && Object.keys(old).some(name => !this.key.includes(name)) ? old : null;
  }
}
