import { decider, pass } from "@sigbox/decider";
import { dialled } from "./dialled.js";
import { route } from "./lcr.js";

/** @import { Reply, Snapshot, Tables, Uri } from "@sigbox/decider" */

/** Numbers that are matched as a whole, never looked up and never refused: the proxy's local rules have them. */
const EMERGENCY = new Set(["110", "112", "911"]);

/**
 * Least-cost routing over pushed tables.
 *
 * @param {Tables} tables what is pushed; one snapshot of it for all that a decision looks up
 * @param {readonly string[]} decks names of the tables that are rate decks
 */
export function carrier(tables, decks) {
  return decider("carrier-node", "0.1.0", "Least-cost routing over pushed rate decks")
    .follow(tables)
    .on("invite", (call) => decide(tables.now(), decks, call.requestUri));
}

/** @param {Snapshot} snapshot @param {readonly string[]} decks @param {Uri} called @returns {Reply} */
function decide(snapshot, decks, called) {
  const call = dialled(called);
  if (call === undefined) return pass().because("not a telephone number");
  if (EMERGENCY.has(call.number)) return pass().because(`emergency call ${call.number}`);
  return route(snapshot, decks, call);
}

/**
 * Names with commas between them; nothing means the two of the samples.
 *
 * @param {string | undefined} text @throws {Error} for what is no name of a table
 */
export function decksOf(text) {
  const names = (text?.trim() || "rates-a,rates-b").split(",").map((name) => name.trim());
  const wrong = names.find((name) => !/^[a-z0-9_-]+$/.test(name));
  if (wrong !== undefined) throw new Error(`DECKS: "${wrong}" is no name of a table`);
  return names;
}
