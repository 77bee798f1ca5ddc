import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { Tables } from "@sigbox/decider";
import { harness } from "@sigbox/decider/testing";
import { carrier, decksOf } from "../carrier.js";

/** The cases and the decks are those of carrier-rust: both decide them alike. */
const folder = new URL("../../carrier-rust/", import.meta.url);

/**
 * @typedef {{ call: string, decision: object }} Case
 * @typedef {{ scene: string, decks: Record<string, string | string[]>, calls: Case[] }} Scene
 */

/** @type {Scene[]} */
const scenes = JSON.parse(readFileSync(new URL("cases.json", folder), "utf8"));

/** Fields that the proxy makes numbers of when it reads CSV; every other cell is text, and an empty one is no field. */
const WHOLE = new Set(["fr_timer", "fr_inv_timer", "status"]);

/** The rows of a deck as decks arrive here. @param {string | string[]} deck lines of CSV, or the name of a file */
function rows(deck) {
  const lines = typeof deck === "string" ? readFileSync(new URL(deck, folder), "utf8").trim().split("\n") : deck;
  const [header, ...rest] = lines.map((line) => line.split(","));
  return rest.map((cells) => {
    const fields = cells.map((cell, index) => [header?.[index] ?? "", cell]).filter(([, cell]) => cell !== "");
    return Object.fromEntries(fields.map(([name = "", cell]) => [name, WHOLE.has(name) ? Number(cell) : cell]));
  });
}

/** A URI that no call of a test can be made of by itself is given in parts. @param {string} uri */
const request = (uri) => (uri.startsWith("urn:") ? { request_uri: { text: uri, scheme: "urn" }, to: "sip:112@example.com" } : {});

for (const { scene, decks, calls } of scenes) {
  const tables = new Tables().set(
    Object.fromEntries(Object.entries(decks).map(([name, deck]) => [name, { kind: "prefixes", rows: rows(deck) }])),
  );
  const h = harness(carrier(tables, decksOf(undefined)));
  for (const { call, decision } of calls) {
    test(`${scene}: ${call}`, async () => {
      const { version, ...decided } = (await h.invite(call, request(call))).decision ?? {};
      assert.equal(version, "1.0");
      assert.deepEqual(decided, decision);
    });
  }
}

test("decks have the names that they are given", async () => {
  const tables = new Tables().set({ gold: { kind: "prefixes", rows: [{ prefix: "49", dst_uri: "sip:192.0.2.1" }] } });
  const h = harness(carrier(tables, decksOf(" silver , gold ")));
  assert.deepEqual((await h.invite("sip:+4930@example.com")).destinations, ["sip:192.0.2.1"]);
  for (const wrong of ["gold,,silver", "Gold Deck"]) assert.throws(() => decksOf(wrong), /DECKS/);
});
