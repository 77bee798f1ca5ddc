import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { test } from "node:test";

const program = fileURLToPath(new URL("../index.js", import.meta.url));

test("the program starts, waits for NATS, and ends when told to", async () => {
  // Port 9 is the discard service's: no nats-server will ever be there.
  const env = { ...process.env, NATS_URL: "nats://127.0.0.1:9", SIGBOX_LOG: "info" };
  const lcr = spawn(process.execPath, [program], { env, stdio: ["ignore", "ignore", "pipe"] });
  const exited = once(lcr, "exit");
  const { value } = await createInterface({ input: lcr.stderr })[Symbol.asyncIterator]().next();
  assert.match(value, /waiting for NATS/);
  lcr.kill("SIGTERM");
  assert.deepEqual(await exited, [0, null]);
});

test("rates that cannot be read are said, and the program exits 1", async () => {
  const lcr = spawn(process.execPath, [program], { env: { ...process.env, RATES: "/nowhere/rates.csv" }, stdio: ["ignore", "ignore", "pipe"] });
  const exited = once(lcr, "exit");
  const { value } = await createInterface({ input: lcr.stderr })[Symbol.asyncIterator]().next();
  assert.match(value, /^\/nowhere\/rates\.csv: ENOENT/);
  assert.deepEqual(await exited, [1, null]);
});
