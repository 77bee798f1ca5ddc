import { once } from "node:events";
import { decider, parallel, pass, redirect, reject, serial, to } from "@sigbox/decider";

/** @import { Call, Context, Reply } from "@sigbox/decider" */
/** @import { Rate, Rates } from "./rates.js" */

const EMERGENCY = new Set(["110", "112", "911"]);

/**
 * Least-cost routing: the longest prefix of the called number decides, the cheapest carrier comes first
 * and the next one takes over when it fails.
 *
 * @param {{ rates: Rates }} watched the rates; looked at for each call, so that a reload counts at once
 */
export function lcr(watched) {
  return decider("lcr-node", "0.1.0", "Least-cost routing from a CSV file")
    .on("invite", (call, ctx) => decide(watched.rates, call, ctx))
    .on("message", (call, ctx) => decide(watched.rates, call, ctx));
}

/** @param {Rates} rates @param {Call} call @param {Context} ctx @returns {Reply | Promise<Reply>} */
function decide(rates, call, ctx) {
  const number = (call.requestUri.user ?? "").replace(/^\+|^00/, "");
  if (EMERGENCY.has(number)) return emergency(rates.exact(number), number);

  const found = rates.lookup(number);
  if (found === undefined) return reject(404).because(`no prefix for ${number}`);
  const { prefix, mode } = /** @type {Rate} */ (found[0]);
  const why = `prefix ${prefix} -> ${found.map(({ carrier }) => carrier).join(", ")}`;

  if (mode.startsWith("reject:")) return reject(Number(mode.slice("reject:".length))).because(why);
  if (mode === "redirect") return redirect(found.map(({ uri }) => uri)).because(why);
  if (mode === "parallel") return parallel(...found.map(target)).because(why);
  if (mode === "silent") return silence(ctx);
  return serial(...found.map(target)).because(why);
}

/**
 * An emergency number is matched as a whole and never refused: without a carrier of our own for it, the
 * proxy's local rules get the call.
 *
 * @param {Rate[] | undefined} found @param {string} number
 */
function emergency(found, number) {
  const why = `emergency call ${number}`;
  return found === undefined ? pass().because(why) : serial(...found.map(target)).because(why);
}

/** Never answers, to show what a proxy does then. @param {Context} ctx */
async function silence({ signal }) {
  if (!signal.aborted) await once(signal, "abort");
  return pass();
}

/** @param {Rate} rate */
function target({ uri, carrier, timeoutMs }) {
  const next = to(uri).header("X-Carrier", carrier);
  return timeoutMs === undefined ? next : next.timeout(timeoutMs);
}
