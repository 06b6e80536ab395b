// permessage-deflate with the npm package ws: follows public.docs twice, with and without, and compares.
//
//   URL   the engine's /ws
//   END   the key behind which it stops
//
// Prints one JSON object: for each of the two what was agreed on, bytes that came in, and rows by key, as sizes.

import { createRequire } from "node:module";

const WebSocket = createRequire(`${process.env.NODE_MODULES}/`)("ws");

function follow(options) {
  return new Promise((done, fail) => {
    const ws = new WebSocket(process.env.URL, "walwire.v1", options), rows = {};
    let channel, extensions = "";
    ws.on("upgrade", answer => (extensions = answer.headers["sec-websocket-extensions"] ?? ""));
    ws.on("error", fail);
    ws.on("close", code => fail(new Error(`closed with ${code}`)));
    ws.on("open", () => ws.send(JSON.stringify({ type: "subscribe", id: 1, table: "public.docs" })));
    ws.on("message", data => {
      for (const line of data.toString().split("\n")) {
        const m = JSON.parse(line);
        if (m.type === "error" || m.type === "reset") fail(new Error(line));
        if (m.type === "subscribed") {
          channel = m.channel;
          process.stdout.write("subscribed\n");
        }
        if (m.type !== "change" || m.channel !== channel) continue;
        rows[m.key.id] = m.row.text.length;
        if (String(m.key.id) !== process.env.END) continue;
        ws.removeAllListeners("close");
        done({ extensions, bytes: ws._socket.bytesRead, rows });
        ws.close();
      }
    });
  });
}

const all = await Promise.all([{}, {}, { perMessageDeflate: false }].map(follow));
process.stdout.write(`${JSON.stringify(all)}\n`);
