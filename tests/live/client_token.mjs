// The client with tokens that do not last, in Node.
//
//   URL  the engine's /ws   SECRET  of the tokens   SECONDS  that one lasts   RENEW  "no": only a new connection gets a new one
//
// Prints each state with its code, each change, and each token that was asked for.

import { createHmac } from "node:crypto";
import { connect } from "../../web/walwire.js";

const { URL: url, SECRET, RENEW, SECONDS } = process.env;
const say = (...words) => process.stdout.write(`${words.join(" ")}\n`);
const part = value => Buffer.from(JSON.stringify(value)).toString("base64url");
let connections = 0, given = -1;

function token() {
  if (RENEW === "no" && given === connections) throw new Error("later");
  given = connections;
  say("token");
  const signed = `${part({ alg: "HS256", typ: "JWT" })}.${part({ sub: "ada", exp: Math.floor(Date.now() / 1000) + Number(SECONDS) })}`;
  return `${signed}.${createHmac("sha256", SECRET).update(signed).digest("base64url")}`;
}

const client = connect(url, { token, backoff: { max_ms: 500 } });
client.on("state", ({ state, code }) => { if (state === "waiting") connections++; say("state", state, code ?? ""); });
client.live("public.orders", { onReady: m => say("ready", m.count), onReset: m => say("reset", m.reason), onChange: e => say(e.op, e.id) });
