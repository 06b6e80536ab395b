// What an application pays for the client: under 6 KB, compressed. Comments and indentation are taken off first, which any minifier
// does, and more; names stay as they are. The file as it stands, for people to read, is a quarter larger.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { brotliCompressSync, gzipSync } from "node:zlib";

const LIMIT = 6 * 1024;

const source = name => readFile(new URL(name, import.meta.url), "utf8");

function stripped(text) {
  return text.replace(/^\s*\/\*\*.*?\*\/$/gms, "").replace(/(^|\s{2,}|[;,{] )\/\/ .*$/gm, "$1").replace(/^\s+/gm, "").replace(/\s+$/gm, "");
}

test("the client is under 6 KB, by gzip and by brotli", async t => {
  const text = stripped(await source("walwire.js"));
  const sizes = { gzip: gzipSync(text, { level: 9 }).length, brotli: brotliCompressSync(text).length };
  t.diagnostic(JSON.stringify(sizes));
  for (const [how, size] of Object.entries(sizes)) assert.ok(size < LIMIT, `${size} bytes by ${how}`);
});

test("what was measured is the whole client", async () => {
  const text = stripped(await source("walwire.js"));
  const small = await import(`data:text/javascript,${encodeURIComponent(text)}`);
  const whole = await import("./walwire.js");
  assert.deepEqual(Object.keys(small), Object.keys(whole));
  const names = c => Object.getOwnPropertyNames(c.prototype);
  for (const name of Object.keys(whole)) if (whole[name].prototype) assert.deepEqual(names(small[name]), names(whole[name]));
  assert.ok(!/^\s*\*/m.test(text), "comments are left");
});

test("it depends on nothing, and every file that it is published with is there", async () => {
  const manifest = JSON.parse(await source("package.json"));
  assert.equal(manifest.version, (await source("../VERSION")).trim());
  assert.equal(manifest.dependencies, undefined);
  for (const name of manifest.files) assert.ok((await source(name)).length, name);
  assert.equal(await source("LICENSE"), await source("../LICENSE"), "npm takes it along by its name");
  for (const entry of Object.values(manifest.exports))
    for (const path of Object.values(entry)) assert.ok(manifest.files.includes(path.replace("./", "")), path);
  const imports = (await source("walwire.js")).match(/^import .*/gm);
  assert.equal(imports, null);
});
