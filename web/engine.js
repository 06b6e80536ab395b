/**
 * engine.js - how it goes: the connection, the last two minutes of lag and changes, who else is subscribed, and the
 * connectors. The last two are shown to readers on the server's own machine only: to others it does not tell.
 */

import { $, bytes, duration, each_frame, el, next_frame, plural, whole } from "./dom.js";

const SECONDS = 120;
const ASK_MS = 2000;
const WIDTH = 240;
const HEIGHT = 44;

/** Connection, lag, position, and changes a second. */
export class Meter {
  #count = 0; #lag = null; #lag_known = 0;
  #counts = new Array(SECONDS).fill(0); #lags = new Array(SECONDS).fill(null);
  #retry_at = 0; #state = {}; #pos = null;

  constructor(client) {
    client.on("state", s => this.#show_state(s));
    client.on("heartbeat", m => { this.#late(m.lag_ms); this.place(m.pos); });
    client.on("welcome", m => this.place(m.pos));
    $("retry").onclick = () => client.reconnect();
    addEventListener("online", () => { if (client.state === "waiting") client.reconnect(); });
    setInterval(() => this.#tick(), 1000);
    each_frame(() => { $("pos").textContent = $("pos").title = this.#pos ?? "–"; });
  }

  change(e) {
    this.#count++;
    this.#late(Math.max(0, Date.now() - e.ts_ms));
    this.place(e.pos);
  }

  place(pos) {
    this.#pos = pos;
    next_frame();
  }

  /** From commit to here; the greatest of a second counts. */
  #late(ms) {
    this.#lag = Math.max(this.#lag ?? 0, ms);
  }

  #show_state(s) {
    const name = s.state;
    this.#state = s;
    this.#retry_at = Date.now() + (s.retry_in_ms ?? 0);
    document.body.dataset.state = name;
    $("state").textContent = { connecting: "Connecting", live: "Live", waiting: "Reconnecting", closed: "Closed" }[name];
    $("retry").hidden = name !== "closed" && name !== "waiting";
    if (name !== "live") $("lag").textContent = "–";
    this.#note();
  }

  #note() {
    const { state, reason, code } = this.#state;
    const seconds = Math.ceil((this.#retry_at - Date.now()) / 1000);
    if (state === "waiting") $("note").textContent = seconds > 1 ? `in ${seconds} s` : "";
    else $("note").textContent = state === "closed" ? reason || `code ${code}` : "";
  }

  #tick() {
    this.#note();
    this.#counts.push(this.#count);
    this.#lags.push(this.#lag);
    this.#counts.shift();
    this.#lags.shift();
    $("rate").textContent = whole.format(this.#count);
    if (this.#lag !== null) $("lag").textContent = duration(this.#lag);
    this.#count = 0;
    this.#lag = null;
    if (!document.hidden) this.#graphs();
  }

  #graphs() {
    const most = Math.max(5, ...this.#counts);
    const longest = Math.max(20, ...this.#lags);
    const x = i => ((i / (SECONDS - 1)) * WIDTH).toFixed(1);
    const y = (n, top) => (HEIGHT - 1 - (n / top) * (HEIGHT - 4)).toFixed(1);
    const line = this.#counts.map((n, i) => `${x(i)} ${y(n, most)}`).join("L");
    $("rate-graph").children[0].setAttribute("d", `M0 ${HEIGHT}L${line}L${WIDTH} ${HEIGHT}Z`);
    $("rate-graph").children[1].setAttribute("d", `M${line}`);
    const bars = this.#lags.map((ms, i) => (ms === null ? "" : `M${x(i)} ${HEIGHT}V${y(ms, longest)}`)).join("");
    $("lag-graph").children[0].setAttribute("d", bars);
    const peak = Math.max(...this.#lags.filter(ms => ms !== null));
    $("lag-most").textContent = peak >= 0 ? `peak ${duration(peak)}` : "";
    $("rate-most").textContent = `peak ${whole.format(Math.max(...this.#counts))}`;
  }
}

/** Subscribers and connectors, asked for every two seconds while somebody looks. */
export class Engine {
  #asking = false;

  constructor() {
    this.#ask();
    const timer = setInterval(async () => {
      if (!document.hidden && await this.#ask() === false) clearInterval(timer);
    }, ASK_MS);
  }

  /** false: this reader may not know. */
  async #ask() {
    if (this.#asking) return true;
    this.#asking = true;
    try {
      const replies = await Promise.all(["/subscribers.json", "/connectors", "/metrics"].map(path => fetch(path, { cache: "no-store" })));
      if (replies.some(reply => reply.status === 404)) return false;
      if (replies.some(reply => !reply.ok)) return true;
      const [subscribers, connectors, metrics] = await Promise.all(replies.map(reply => reply.text()));
      this.#subscribers(JSON.parse(subscribers));
      this.#connectors(JSON.parse(connectors), metrics);
    } catch {
      // the server is away, which the connection tells of
    } finally {
      this.#asking = false;
    }
    return true;
  }

  #subscribers({ sessions, subscriptions, window_changes, window_bytes }) {
    $("subscribers-tile").hidden = false;
    $("subscribers").textContent = whole.format(sessions);
    $("subscriptions").textContent = plural(subscriptions, "subscription");
    $("window").textContent = `${plural(window_changes, "change")} kept, ${bytes(window_bytes)}`;
  }

  #connectors(all, metrics) {
    $("connectors-tile").hidden = false;
    const rows = Object.entries(all).map(([name, { status }]) => {
      const tasks = status.tasks ?? [];
      const failed = [status.connector, ...tasks].find(part => part.state === "FAILED");
      const state = failed ? "FAILED" : tasks.find(task => task.state !== "RUNNING")?.state ?? status.connector.state;
      const behind = metric(metrics, "walwire_slot_lag_bytes", name);
      const why = failed?.trace?.split("\n")[0];
      const said = why ?? (behind === null ? "" : behind ? `${bytes(behind)} behind` : "up to date");
      return el("li", { "data-connector": name, "data-state": state, title: why ?? null }, el("i", { class: "dot", "aria-hidden": "true" }),
        el("b", {}, name), el("span", { class: "pill" }, state.toLowerCase()), el("small", {}, said));
    });
    $("connectors").replaceChildren(...rows);
    if (!rows.length) $("connectors").append(el("li", {}, el("small", {}, "None yet: POST one to the REST API")));
  }
}

/** The sum of a metric over a connector's tasks; null when there is none. */
function metric(lines, metric_name, connector) {
  const label = `connector="${connector.replace(/[\\"]/g, "\\$&")}"`;
  const found = lines.split("\n").filter(line => line.startsWith(`${metric_name}{`) && line.includes(label));
  return found.length ? found.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" "))), 0) : null;
}
