import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { test } from "node:test";
import { connect } from "@nats-io/transport-node";
import { sampleQuery } from "../dist/testing.js";
import { NatsServer } from "./nats_server.js";

/** A decider program and what it says, line by line. */
class Program {
  /** @param {import("node:test").TestContext} t @param {Record<string, string>} env */
  constructor(t, env) {
    this.process = spawn(process.execPath, [fileURLToPath(new URL("fixture_program.js", import.meta.url))], {
      env: { ...process.env, SIGBOX_LOG: "info", ...env },
      stdio: ["pipe", "pipe", "pipe"],
    });
    this.exited = once(this.process, "exit").then(([code]) => code);
    this.log = createInterface({ input: this.process.stderr })[Symbol.asyncIterator]();
    this.out = createInterface({ input: this.process.stdout })[Symbol.asyncIterator]();
    t.after(async () => {
      this.process.kill("SIGKILL");
      await this.exited;
    });
  }

  /** Reads the log up to a line that says `text`. @param {string} text */
  async says(text) {
    for (;;) {
      const { value, done } = await this.log.next();
      if (done) throw new Error(`the program ended without saying "${text}"`);
      if (value.includes(text)) return value;
    }
  }
}

/** @param {import("node:test").TestContext} t @param {{ port?: string, args?: string[] }} [options] */
async function natsServer(t, options) {
  const server = await NatsServer.start(options);
  t.after(() => server.stop());
  return server;
}

/** @param {import("node:test").TestContext} t @param {NatsServer} server */
async function proxyOn(t, server) {
  const proxy = await connect({ servers: server.url });
  t.after(() => proxy.close());
  /** @param {string} user */
  const ask = (user) =>
    proxy.request("sigbox.v1.query.default.invite", JSON.stringify(sampleQuery("invite", { request_uri: `sip:${user}@example.com` })), {
      timeout: 10_000,
    });
  return { proxy, ask };
}

for (const signal of /** @type {const} */ (["SIGTERM", "SIGINT"])) {
  test(`${signal}: what is in hand is answered, then the program exits 0`, async (t) => {
    const server = await natsServer(t);
    const program = new Program(t, { NATS_URL: server.url });
    await program.says("ready");
    const { ask } = await proxyOn(t, server);
    const inHand = ask("slow");
    assert.equal((await program.out.next()).value, "deciding");
    program.process.kill(signal);
    await program.says("draining");
    program.process.stdin.write("go\n");
    assert.deepEqual((await inHand).json().routes, [{ dst_uri: "sip:192.0.2.21" }]);
    assert.equal(await program.exited, 0);
  });
}

test("a second signal ends a drain at once", async (t) => {
  const server = await natsServer(t);
  const program = new Program(t, { NATS_URL: server.url });
  await program.says("ready");
  const { proxy } = await proxyOn(t, server);
  const slow = JSON.stringify(sampleQuery("invite", { request_uri: "sip:slow@example.com" }));
  proxy.publish("sigbox.v1.query.default.invite", slow, { reply: "_INBOX.nobody" });
  assert.equal((await program.out.next()).value, "deciding");
  program.process.kill("SIGTERM");
  await program.says("draining");
  program.process.kill("SIGTERM");
  assert.equal(await program.exited, 1);
});

test("D3: a decider waits for NATS at the start and comes back after an outage", async (t) => {
  const first = await natsServer(t);
  const { port } = first;
  await first.stop();
  const program = new Program(t, { NATS_URL: `nats://127.0.0.1:${port}` });
  await program.says("waiting for NATS");

  const second = await natsServer(t, { port });
  await program.says("ready");
  await second.stop();
  await program.says("NATS connection lost");

  const third = await natsServer(t, { port });
  await program.says("NATS connection is back");
  const { proxy, ask } = await proxyOn(t, third);
  // The subscription is sent again with the connection; asking until it is there is what a proxy does, too.
  for (;;) {
    const reply = await ask("fast").catch((error) => (/no responders/.test(String(error)) ? undefined : Promise.reject(error)));
    if (reply !== undefined) break;
  }
  await proxy.flush();
  program.process.kill("SIGTERM");
  assert.equal(await program.exited, 0);
});

test("a decider that waits for NATS can be stopped", async (t) => {
  const server = await natsServer(t);
  await server.stop();
  const program = new Program(t, { NATS_URL: server.url });
  await program.says("waiting for NATS");
  program.process.kill("SIGTERM");
  assert.equal(await program.exited, 0);
});

test("a decider that is stopped during an outage exits", async (t) => {
  const server = await natsServer(t);
  const program = new Program(t, { NATS_URL: server.url });
  await program.says("ready");
  await server.stop();
  await program.says("NATS connection lost");
  program.process.kill("SIGTERM");
  assert.equal(await program.exited, 0);
});

test("credentials come from the URL; refused ones are said, and the program exits 1", async (t) => {
  const server = await natsServer(t, { args: ["--user", "decider", "--pass", "s:cret"] });
  const right = new Program(t, { NATS_URL: server.url.replace("//", "//decider:s%3Acret@") });
  await right.says("ready");
  const wrong = new Program(t, { NATS_URL: server.url.replace("//", "//decider:wrong@") });
  const line = await wrong.says("Authorization");
  assert.doesNotMatch(line, /wrong/);
  assert.equal(await wrong.exited, 1);
});

test("a decider that may not hear queries says so and exits 1", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "sigbox-conf-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const config = join(folder, "nats.conf");
  writeFileSync(config, 'authorization { users: [{ user: u, password: p, permissions: { subscribe: { deny: "sigbox.v1.query.>" } } }] }');
  const server = await natsServer(t, { args: ["-c", config] });
  const program = new Program(t, { NATS_URL: server.url.replace("//", "//u:p@") });
  await program.says("NATS refused sigbox.v1.query.*.invite");
  assert.equal(await program.exited, 1);
});

test("a setting that cannot work is said, and the program exits 1", async (t) => {
  const program = new Program(t, { SIGBOX_TENANT: "a.b" });
  await program.says('tenant "a.b": only a-z');
  assert.equal(await program.exited, 1);
});
