import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { gzipSync } from "node:zlib";
import { Kvm } from "@nats-io/kv";
import { Objm } from "@nats-io/obj";
import { connect, headers } from "@nats-io/transport-node";
import { decider, reject, route, Tables } from "../dist/index.js";
import { silentLog } from "../dist/log.js";
import { sampleQuery } from "../dist/testing.js";
import { NatsServer } from "./nats_server.js";

const store = mkdtempSync(join(tmpdir(), "sigbox-js-"));
/** @type {NatsServer} */
let server;
/** @type {import("@nats-io/transport-node").NatsConnection} */
let proxy;

before(async () => {
  server = await NatsServer.start({ args: ["-js", "-sd", store] });
  proxy = await connect({ servers: server.url });
});
after(async () => {
  await proxy?.close();
  await server?.stop();
  rmSync(store, { recursive: true, force: true });
});

/** Pushes as a proxy does. @param {string} bucket @param {number} revision @param {Record<string, [string, object[]]>} tables */
async function push(bucket, revision, tables) {
  const kv = await new Kvm(proxy).create(bucket);
  const objects = await new Objm(proxy).create(bucket);
  const manifest = { version: "1.0", revision, tables: /** @type {Record<string, object>} */ ({}) };
  for (const [name, [kind, rows]] of Object.entries(tables)) {
    const text = rows.map((row) => `${JSON.stringify(row)}\n`).join("");
    const sha256 = createHash("sha256").update(text).digest("hex");
    await objects.putBlob({ name: sha256 }, gzipSync(text));
    manifest.tables[name] = { kind, active: revision, newest: revision, versions: [{ number: revision, sha256 }] };
  }
  await kv.put("manifest", JSON.stringify(manifest));
  return kv;
}

test("handlers see what is pushed, a release at a time, and the proxies see who has it", async (t) => {
  const tables = new Tables();
  assert.equal(tables.now()["rates"]?.longestPrefix("+4930"), undefined, "a table that is not there is empty");
  await push("test_tables", 1, { rates: ["prefixes", [{ prefix: "49", to: "sip:192.0.2.1" }, { prefix: "4930", to: "sip:192.0.2.2" }]] });
  const running = await decider("lcr", "1.0.0")
    .follow(tables)
    .on("invite", (call) => {
      const found = tables.now()["rates"]?.longestPrefix(call.requestUri.user);
      return found === undefined ? reject(404) : route(String(found.row["to"])).because(found.reason);
    })
    .start({ servers: server.url, prefix: "test", log: silentLog });
  t.after(() => running.stop());
  await tables.until(1);
  const ask = async () => {
    const query = sampleQuery("invite", { request_uri: "sip:+49301@example.com" });
    const fields = headers();
    fields.set("Sigbox-Id", query.id);
    fields.set("Sigbox-Deadline", String(Date.now() + 5_000));
    return (await proxy.request("test.v1.query.default.invite", JSON.stringify(query), { timeout: 5_000, headers: fields })).json();
  };
  const first = await ask();
  assert.deepEqual(first.reasons, ["rates v1: prefix 4930"]);
  const kv = await push("test_tables", 2, { rates: ["prefixes", [{ prefix: "49", to: "sip:192.0.2.1" }]], ported: ["numbers", [{ number: "49301" }]] });
  await tables.until(2);
  assert.deepEqual((await ask()).reasons, ["rates v2: prefix 49"]);
  assert.equal(tables.now()["ported"]?.get("+49301")?.reason, "ported v2: number 49301");
  const said = await (async () => {
    for await (const entry of await kv.watch({ key: `decider.lcr-${running.id}` })) {
      if (entry.json().revision === 2) return true;
    }
    return false;
  })();
  assert.ok(said);
});

test("a damaged version changes nothing", async (t) => {
  const tables = new Tables();
  const kv = await push("odd_tables", 1, { rates: ["kv", [{ key: "a" }]] });
  const running = await decider("lcr", "1.0.0").follow(tables).on("invite", () => reject(404)).start({ servers: server.url, prefix: "odd", log: silentLog });
  t.after(() => running.stop());
  await tables.until(1);
  const objects = await new Objm(proxy).open("odd_tables");
  const wrong = "0".repeat(64);
  await objects.putBlob({ name: wrong }, gzipSync("{\"key\":\"b\"}\n"));
  const manifest = { revision: 2, tables: { rates: { kind: "kv", active: 2, versions: [{ number: 2, sha256: wrong }] } } };
  await kv.put("manifest", JSON.stringify(manifest));
  await push("odd_tables", 3, { rates: ["kv", [{ key: "c" }]] });
  await tables.until(3);
  assert.equal(tables.revision, 3);
  assert.equal(tables.now()["rates"]?.get("b"), undefined);
  assert.ok(tables.now()["rates"]?.get("c"));
});

test("tests fill tables by hand", () => {
  const tables = new Tables().set({ rates: { kind: "prefixes", rows: [{ prefix: "+49", rate: 1 }] } });
  const { rates } = tables.now();
  assert.deepEqual(rates?.longestPrefix("0049"), undefined);
  assert.deepEqual(rates?.longestPrefix("+4930;x=1"), { row: { prefix: "+49", rate: 1 }, reason: "rates v1: prefix 49" });
  assert.deepEqual(Object.keys(tables.now()), ["rates"]);
});
