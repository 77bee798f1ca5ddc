import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { contractTypes, TARGET } from "../scripts/generate-types.js";
import { VERSION } from "../dist/index.js";

test("src/contract.ts is what the schemas say today", async () => {
  assert.equal(readFileSync(TARGET, "utf8"), await contractTypes(), "run `npm run generate` in decider-sdk/node");
});

test("the version is that of the package", () => {
  const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
  assert.equal(VERSION, version);
});
