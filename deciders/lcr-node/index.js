#!/usr/bin/env node
import { fileURLToPath } from "node:url";
import { lcr } from "./lcr.js";
import { watchRates } from "./rates.js";

const path = process.env["RATES"] || fileURLToPath(new URL("rates.csv", import.meta.url));
try {
  await lcr(watchRates(path)).run();
} catch (error) {
  console.error(`${path}: ${error instanceof Error ? error.message : error}`);
  process.exit(1);
}
