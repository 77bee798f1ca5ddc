import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { test } from "node:test";

test("the decider of the README runs, and has twelve lines at most", async () => {
  const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
  const program = /```js\n([^`]*)```/.exec(readme)?.[1] ?? "";
  assert.ok(program.trimEnd().split("\n").length <= 12);
  // Port 9 is the discard service's: no nats-server will ever be there.
  const decider = spawn(process.execPath, ["--input-type=module", "-e", program], {
    cwd: fileURLToPath(new URL("..", import.meta.url)),
    env: { ...process.env, NATS_URL: "nats://127.0.0.1:9", SIGBOX_LOG: "info" },
    stdio: ["ignore", "ignore", "pipe"],
  });
  const exited = once(decider, "exit");
  const { value } = await createInterface({ input: decider.stderr })[Symbol.asyncIterator]().next();
  assert.match(value, /waiting for NATS/);
  decider.kill("SIGTERM");
  assert.deepEqual(await exited, [0, null]);
});
