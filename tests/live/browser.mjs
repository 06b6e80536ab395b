// Drives one headless Chromium for a test: a command a line on stdin, an answer a line on stdout.
//
//   PLAYWRIGHT_DIR  the node_modules (or a folder above it) that holds playwright-core
//   CHROMIUM        the browser, /usr/bin/chromium unless said
//
// {"cmd":"open","url"}  {"cmd":"pick","table"}  {"cmd":"wait","selector","text"?,"gone"?,"timeout"?}
// {"cmd":"text","selector"}  {"cmd":"count","selector"}  {"cmd":"click","selector"}  {"cmd":"eval","js"}
// {"cmd":"press","key"} on what has the focus  {"cmd":"fill","selector","value"}  {"cmd":"choose","selector","value"} in a list
// {"cmd":"size","width","height"}  {"cmd":"scheme","value":"dark"|"light"}  {"cmd":"shot","path"}
// {"cmd":"errors"} what the page complained of  {"cmd":"quit"}
//
// An answer is {"ok":true,...} or {"ok":false,"error":...}. A wait is for something visible, or with "gone" until
// nothing matches any more.

import { mkdtemp, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

const TIMEOUT_MS = 10000;
const ARGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync"];

const profile = await mkdtemp(join(tmpdir(), "walwire-browser-"));
const errors = [];
let context, page;

const commands = {
  open: ({ url }) => page.goto(url),

  async pick({ table }) {
    const tab = page.locator(`[data-table=${JSON.stringify(table)}][aria-pressed]`);
    const list = page.locator("#table-select:visible");
    await page.locator("#tabs button, #table-select, #table-input").locator("visible=true").first().waitFor();
    if (await list.count()) return void await list.selectOption(table);
    if (await tab.count()) return void await tab.click();
    await page.fill("#table-input", table);
    await page.press("#table-input", "Enter");
  },

  async wait({ selector, text, gone = false, timeout = TIMEOUT_MS }) {
    const found = page.locator(selector).filter(text === undefined ? {} : { hasText: text }).first();
    await found.waitFor({ state: gone ? "detached" : "visible", timeout });
  },

  text: async ({ selector }) => ({ text: await page.locator(selector).first().innerText() }),
  count: async ({ selector }) => ({ count: await page.locator(selector).count() }),
  click: ({ selector }) => page.locator(selector).first().click(),
  press: ({ key }) => page.keyboard.press(key),
  fill: ({ selector, value }) => page.locator(selector).first().fill(value),
  choose: ({ selector, value }) => page.locator(selector).first().selectOption(value),
  eval: async ({ js }) => ({ value: await page.evaluate(js) }),
  size: ({ width, height }) => page.setViewportSize({ width, height }),
  scheme: ({ value }) => page.emulateMedia({ colorScheme: value }),
  shot: ({ path }) => page.screenshot({ path }),
  errors: () => ({ errors: errors.splice(0) }),
};

async function start() {
  const { chromium } = createRequire(`${process.env.PLAYWRIGHT_DIR ?? process.cwd()}/`)("playwright-core");
  context = await chromium.launchPersistentContext(profile,
    { executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", headless: true, args: ARGS });
  page = context.pages()[0] ?? await context.newPage();
  page.setDefaultTimeout(TIMEOUT_MS);
  page.on("pageerror", error => errors.push(String(error)));
  page.on("console", message => { if (message.type() === "error") errors.push(message.text()); });
}

async function answer(line) {
  const { cmd, ...rest } = JSON.parse(line);
  if (!Object.hasOwn(commands, cmd)) throw new Error(`no such command: ${cmd}`);
  const result = await commands[cmd](rest);
  return ["text", "count", "eval", "errors"].includes(cmd) ? result : {};
}

const say = message => process.stdout.write(`${JSON.stringify(message)}\n`);
const plain = words => words.replace(/\u001b\[\d+m/g, "");
const failure = error => ({ ok: false, error: plain(String(error.message ?? error)) });

try {
  await start();
  for await (const line of createInterface({ input: process.stdin })) {
    if (line.trim() === "") continue;
    if (/"cmd"\s*:\s*"quit"/.test(line)) { say({ ok: true }); break; }
    try { say({ ok: true, ...await answer(line) }); } catch (error) { say(failure(error)); }
  }
} catch (error) {
  say(failure(error));
  process.exitCode = 1;
} finally {
  await context?.close();
  await rm(profile, { recursive: true, force: true, maxRetries: 3 });
}
