import assert from "node:assert/strict";
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Rates, watchRates } from "../rates.js";

const HEADER = "prefix,carrier,uri,timeout_ms,cost,mode";
/** @param {string[]} lines */
const csv = (...lines) => [HEADER, ...lines, ""].join("\n");

test("rows of one prefix are sorted by cost, whatever their order", () => {
  const rates = new Rates(csv("49,b,sip:b,,2,serial", "49,a,sip:a,,1,serial", "+49,c,sip:c,700,3,"));
  assert.deepEqual(
    rates.lookup("49301")?.map(({ carrier, timeoutMs, mode }) => [carrier, timeoutMs, mode]),
    [["a", undefined, "serial"], ["b", undefined, "serial"], ["c", 700, "serial"]],
  );
  assert.equal(rates.lookup("48"), undefined);
  assert.equal(rates.lookup(""), undefined);
});

test("a line that cannot be right is named", () => {
  for (const [line, why] of [
    [",a,sip:a,,1,serial", "line 2: prefix is empty"],
    ["49,a,sip:a,,1,sequential", 'line 2: mode "sequential": one of'],
    ["49,a,sip:a,,1,reject:200", 'line 2: mode "reject:200": one of'],
    ["49,a,sip:a,,cheap,serial", 'line 2: cost "cheap" is no number'],
    ["49,a,sip:a,soon,1,serial", 'line 2: timeout_ms "soon" is no number'],
    ["49,a,,,1,serial", "line 2: mode serial needs a uri"],
    ["49,a,sip:a,,1,serial,more", "line 2: more columns than the header"],
  ]) {
    assert.throws(() => new Rates(csv(/** @type {string} */ (line))), (error) => String(error).includes(/** @type {string} */ (why)), line);
  }
  assert.throws(() => new Rates("prefix;carrier\n"), /line 1: must be "prefix,carrier,uri,timeout_ms,cost,mode"/);
});

test("a changed file counts at once; a broken one leaves the rates as they were", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "lcr-node-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "rates.csv");
  writeFileSync(path, csv("49,old,sip:a,,1,serial"));

  /** @type {(message: string) => void} */
  let complained = () => undefined;
  const complaint = new Promise((resolve) => (complained = resolve));
  /** @type {() => void} */
  let reloaded = () => undefined;
  const reload = new Promise((resolve) => (reloaded = () => resolve(undefined)));
  const watched = watchRates(path, { everyMs: 10, onError: (message) => complained(message), onReload: () => reloaded() });
  t.after(() => watched.close());
  // Polling alone does not keep a program running, and a test that waits for it needs something that does.
  const alive = setInterval(() => undefined, 1_000);
  t.after(() => clearInterval(alive));

  writeFileSync(path, "nonsense");
  assert.match(/** @type {string} */ (await complaint), /rates\.csv: line 1: must be .*; the rates stay as they were$/);
  assert.equal(watched.rates.lookup("49")?.[0]?.carrier, "old");

  writeFileSync(`${path}.new`, csv("49,new,sip:a,,1,serial"));
  renameSync(`${path}.new`, path);
  await reload;
  assert.equal(watched.rates.lookup("49")?.[0]?.carrier, "new");
});
