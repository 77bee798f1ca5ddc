#!/usr/bin/env node
import { Tables } from "@sigbox/decider";
import { carrier, decksOf } from "./carrier.js";

try {
  await carrier(new Tables(), decksOf(process.env["DECKS"])).run();
} catch (error) {
  console.error(`carrier-node: ${error instanceof Error ? error.message : error}`);
  process.exit(1);
}
