// Compiled, never run: what the types promise to a user of the package. A line behind @ts-expect-error must not compile.
import { type Change, connect, type LiveChange, type Row, type Where } from "../../web/walwire.js";
import { useLive } from "../../web/react.js";

const client = connect(new URL("ws://localhost/ws"), { client: "desk", token: async () => "jwt", backoff: { max_ms: 1000 } });
client.on("state", s => { if (s.state === "closed") console.log(s.code, s.reason?.length); else if (s.state === "waiting") console.log(s.retry_in_ms); });
client.on("error", e => console.log(e.code, e.message.length));

const where: Where = { and: [["status", "in", ["paid", "sent"]], { not: ["note", "null"] }] };
const orders = client.live("public.orders", { where, columns: ["id", "status"], onChange: (e: LiveChange) => console.log(e.changed?.join()) });
const row: Row | undefined = orders.get({ id: 7 });
const all: Row[] = [...orders.rows.values()];
client.subscribe({ table: "public.orders", snapshot: true, from: "now" }, (change: Change) => console.log(change.op, change.row?.id));

async function follow() {
  for await (const e of orders) {
    if (e.op === "ready") console.log(e.count.toFixed());
    else if (e.op === "reset") console.log(e.reason.length);
    else console.log(e.pos, e.previous?.status);
  }
}

function Component() {
  const { rows, ready, state, error } = useLive(client, "public.orders", { where, old: "none" });
  return ready ? rows.length : error?.message ?? state;
}

// @ts-expect-error there is no such operator
const wrong: Where = ["status", "equals", "paid"];
// @ts-expect-error in takes a list
const no_list: Where = ["status", "in", "paid"];
// @ts-expect-error the hook renders, it calls nobody
useLive(client, "public.orders", { onChange: () => undefined });
// @ts-expect-error a state that is not one
client.on("state", s => s.state === "open");

export { all, Component, follow, no_list, row, wrong };
