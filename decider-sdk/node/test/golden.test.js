import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { test } from "node:test";
import { Ajv2020 } from "ajv/dist/2020.js";
import { decider, Invalid, parseDecision, pass, validate } from "../dist/index.js";
import { INVALID_REASONS } from "../dist/invalid.js";
import { goldenExamples, harness, sampleQuery } from "../dist/testing.js";

const contracts = fileURLToPath(new URL("../../../contracts/", import.meta.url));
const examples = goldenExamples(`${contracts}examples`);

/** @param {string} kind */
function of(kind) {
  const found = examples.filter((example) => example.kind === kind);
  assert.notEqual(found.length, 0, `no golden examples of kind ${kind}`);
  return found;
}

/** @param {string} name */
function schema(name) {
  const ajv = new Ajv2020({ strict: false, validateFormats: false });
  return ajv.compile(JSON.parse(readFileSync(`${contracts}schema/${name}.json`, "utf8")));
}

for (const { file, valid, reason, pointer, action, layer, bytes } of of("decision")) {
  if (layer === "sip") continue;
  test(`D5: ${file} is ${valid ? "taken" : `refused: ${reason}`}`, () => {
    if (valid) {
      const decision = parseDecision(bytes);
      assert.equal(decision.action ?? "route", action);
      assert.deepEqual(validate(decision), decision, "a taken decision is the same after a round trip");
      return;
    }
    assert.throws(
      () => parseDecision(bytes),
      (error) => {
        assert.ok(error instanceof Invalid, String(error));
        assert.deepEqual({ reason: error.reason, pointer: error.pointer }, { reason, pointer }, error.message);
        return true;
      },
    );
  });
}

test("what only the proxy can see is taken here", () => {
  for (const { bytes } of of("decision").filter(({ layer }) => layer === "sip")) parseDecision(bytes);
});

test("every reason but the size of a document has an example", () => {
  const shown = new Set(of("decision").map(({ reason }) => reason));
  assert.deepEqual(INVALID_REASONS.filter((reason) => !shown.has(reason)), ["too_large"]);
});

test("every example of a query reaches its handler", async () => {
  for (const { file, bytes } of of("query")) {
    const { class: classOf } = JSON.parse(bytes.toString());
    /** @type {import("../dist/index.js").Call | undefined} */
    let seen;
    const echo = decider("echo", "1.0.0").on(classOf, (call) => ((seen = call), pass()));
    const result = await harness(echo).raw(classOf, bytes);
    assert.equal(result.decision?.action, "pass", file);
    assert.equal(typeof seen?.requestUri.text, "string", file);
    assert.deepEqual(seen?.query, JSON.parse(bytes.toString()), file);
  }
});

test("the harness asks what the schema allows", () => {
  const check = schema("query");
  for (const query of [
    sampleQuery("invite"),
    sampleQuery("message", { from: "tel:+4930", contact: ["sips:a@[2001:db8::1]:5061;transport=tcp"] }),
    sampleQuery("register", { request_uri: "sip:example.com", headers: { "user-agent": ["x"] } }),
  ]) {
    assert.ok(check(query), JSON.stringify(check.errors));
  }
});
