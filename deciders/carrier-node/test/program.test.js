import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { test } from "node:test";

const program = fileURLToPath(new URL("../index.js", import.meta.url));

test("decks that cannot be are said, and the program exits 1", async () => {
  const carrier = spawn(process.execPath, [program], { env: { ...process.env, DECKS: "a b" }, stdio: ["ignore", "ignore", "pipe"] });
  const exited = once(carrier, "exit");
  const { value } = await createInterface({ input: carrier.stderr })[Symbol.asyncIterator]().next();
  assert.equal(value, 'carrier-node: DECKS: "a b" is no name of a table');
  assert.deepEqual(await exited, [1, null]);
});
