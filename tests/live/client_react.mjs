// The hook in real React: what is rendered is the table, also after the engine went away and came back.
//
//   URL  the engine's /ws   NODE_MODULES  where react and react-test-renderer are
//
// Prints a line for each rendering, as JSON. A line on stdin, {"where":...} or {"gone":true}, renders anew or takes it away.

import { createRequire, register } from "node:module";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const modules = createRequire(`${process.env.NODE_MODULES}/`);
const react_at = pathToFileURL(modules.resolve("react")).href;
register(`data:text/javascript,${encodeURIComponent(`export const resolve = (name, context, next) =>
  name === "react" ? { url: ${JSON.stringify(react_at)}, shortCircuit: true, format: "commonjs" } : next(name, context);`)}`);

const React = modules("react");
const { act, create } = modules("react-test-renderer");
const { connect } = await import("../../web/walwire.js");
const { useLive } = await import("../../web/react.js");
globalThis.IS_REACT_ACT_ENVIRONMENT = false;

const client = connect(process.env.URL, { backoff: { max_ms: 500 } });
const say = message => process.stdout.write(`${JSON.stringify(message)}\n`);

function List({ where }) {
  const { rows, ready, state, error } = useLive(client, "public.orders", { columns: ["id", "status"], ...(where && { where }) });
  say({ rows: rows.map(row => `${row.id} ${row.status}`).sort(), ready, state, error: error?.code ?? null });
  return null;
}

const tree = props => React.createElement(React.StrictMode, null, React.createElement(List, props));
const root = create(tree({}));
for await (const line of createInterface({ input: process.stdin })) {
  const { gone, ...props } = JSON.parse(line);
  if (!gone) { root.update(tree(props)); continue; }
  root.unmount();
  client.close();
  say({ gone: true });
  break;
}
