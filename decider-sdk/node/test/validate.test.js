import assert from "node:assert/strict";
import { test } from "node:test";
import { Invalid, parseDecision, reject, route, to, validate } from "../dist/index.js";

/** @param {object | string} document */
function refusal(document) {
  try {
    parseDecision(typeof document === "string" ? document : JSON.stringify(document));
  } catch (error) {
    assert.ok(error instanceof Invalid, String(error));
    return `${error.reason} ${error.pointer}`;
  }
  return "taken";
}

test("D5: a document over the cap is refused unread", () => {
  assert.equal(refusal("x".repeat(65_537)), "too_large ");
  assert.equal(refusal(`{"routes": [{}], "note": "${"é".repeat(32_768)}"}`), "too_large ", "the cap counts bytes");
  assert.throws(() => parseDecision('{"routes": [{}]}', { maxBytes: 4 }), { reason: "too_large" });
});

test("D5: a thousand routes", () => {
  assert.equal(refusal({ routes: Array.from({ length: 1_000 }, () => ({ uri: "sip:a@b" })) }), "too_many_routes /routes");
  assert.equal(validate({ routes: [{}, {}] }, { maxRoutes: 2 }).routes?.length, 2);
  assert.throws(() => validate({ routes: [{}, {}, {}] }, { maxRoutes: 2 }), { reason: "too_many_routes" });
});

test("half a character is not text to anybody else", () => {
  assert.equal(refusal('{"routes": [{}], "reasons": ["\\ud800"]}'), "not_json ");
  assert.equal(refusal('{"routes": [{}], "\\udc00": 1}'), "not_json ");
  assert.equal(refusal('{"routes": [{}], "reasons": ["\\ud83d\\ude00 😀"]}'), "taken");
});

test("a field of another action counts only when it would do something", () => {
  for (const nothing of [{ contacts: [] }, { requery: false }, { headers: {} }, { headers: { set: {}, remove: [], extra: "" } }, { reason: "" }]) {
    assert.equal(refusal({ action: "route", routes: [{}], ...nothing }), "taken");
    assert.equal(refusal({ action: "pass", ...nothing }), "taken");
  }
  assert.equal(refusal({ action: "pass", failover: [] }), "unexpected_field /failover");
  assert.equal(refusal({ action: "pass", headers: { from: {} } }), "unexpected_field /headers");
  assert.equal(refusal({ action: "reject", status: 404, headers: { to: {} } }), "unexpected_field /headers/to");
});

test("a name in another case is the same name", () => {
  assert.equal(refusal({ Action: "reject", STATUS: 404 }), "taken");
  assert.equal(refusal({ routes: [{ uri: "sip:a@b", URI: "sip:c@d" }] }), "duplicate_field /routes/0/uri");
  assert.equal(refusal({ RTJSON: { Routes: [{ URI: 1 }] } }), "wrong_type /rtjson/routes/0/uri");
});

test("an action beside the wrapper counts for what is inside", () => {
  assert.equal(refusal({ rtjson: { action: "reject", status: 404, routes: [{}] } }), "unexpected_field /rtjson/routes");
  assert.equal(refusal({ rtjson: { status: "ok", routes: [{}] } }), "taken");
  assert.equal(refusal({ action: "route", rtjson: { status: "ok", routes: [{}] } }), "wrong_type /rtjson/status");
});

test("pointers are escaped as RFC 6901 has it", () => {
  assert.equal(refusal(JSON.parse(JSON.stringify(route(to("sip:h").header("a/b~", "x"))))), "bad_header /routes/0/headers/set/a~1b~0");
});

test("a refusal is one printable line", () => {
  assert.throws(() => validate(reject(404, `a\r\n\u001b[31m${"x".repeat(1_000)}`).toJSON()), (error) => {
    assert.ok(error instanceof Invalid);
    assert.match(error.message, /^header_injection at \/reason: [\x20-\x7e…]+$/);
    return true;
  });
  assert.throws(() => parseDecision(JSON.stringify({ action: `\r\n${"x".repeat(1_000)}` })), (error) => {
    assert.ok(error instanceof Invalid);
    assert.match(error.message, /^unknown_action at \/action: [\x20-\x7e…]{1,240}$/);
    return true;
  });
});
