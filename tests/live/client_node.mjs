// The client in Node with the WebSocket that comes with it: a table followed by `for await`.
//
//   URL  the engine's /ws
//
// Prints a line for each event, and for each state of the connection.

import { connect } from "../../web/walwire.js";

const say = (...words) => process.stdout.write(`${words.join(" ")}\n`);
const client = connect(process.env.URL, { client: "node-test", backoff: { max_ms: 500 } });
client.on("state", s => say("state", s.state));

const orders = client.live("public.orders", { columns: ["id", "status"], where: ["status", "ne", "hidden"] });
for await (const e of orders) {
  say(e.op, e.op === "ready" ? e.count : e.op === "reset" ? e.reason : `${e.id} ${e.row?.status ?? "-"}`);
  if (e.row?.status === "end") orders.close();
}
client.close();
say("end");
