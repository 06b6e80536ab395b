// node.js CLIENTS RATE: the npm package ws, which sends each message of 200 bytes to all. RATE 0: as fast as it can.
// Says its port; begins once CLIENTS have said something.
const { WebSocketServer } = require("ws");

const [clients, rate] = process.argv.slice(2).map(Number);
const AHEAD = 1 << 20; // bytes that may wait in the process for one client
const server = new WebSocketServer({ port: 0, host: "127.0.0.1" }, () => console.log(`port ${server.address().port}`));
const readers = [];
let n = 0;

function message(at) {
  const head = `{"type":"change","n":${String(++n % 1000).padStart(3, "0")},"at":"${at}","note":"`;
  return Buffer.from(head + "x".repeat(200 - head.length - 2) + '"}');
}

function broadcast(at) {
  const text = message(at);
  for (const ws of readers) if (ws.bufferedAmount < AHEAD) ws.send(text, { binary: false });
}

function flood() {
  broadcast(process.hrtime.bigint());
  setImmediate(flood);
}

function pace() {
  const start = process.hrtime.bigint(), step = BigInt(Math.round(1e9 / rate));
  let sent = 0n;
  const turn = () => {
    for (; start + sent * step <= process.hrtime.bigint(); sent++) broadcast(start + sent * step);
    setTimeout(turn, 1);
  };
  turn();
}

server.on("connection", (ws) => {
  ws.on("error", () => {});
  ws.once("message", () => {
    readers.push(ws);
    if (readers.length === clients) (rate ? pace : flood)();
  });
});
process.stdin.on("end", () => process.exit(0)).resume();
