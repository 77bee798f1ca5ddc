import { pass, reject, serial, to } from "@sigbox/decider";

/** @import { Found, Snapshot, Target } from "@sigbox/decider" */
/** @import { Dialled } from "./dialled.js" */

/**
 * @typedef {object} Offer  What one deck asks for a call.
 * @property {number} price   Infinity without one
 * @property {number} prefix  how many digits of the number it is for
 * @property {Target} target
 * @property {string} reason
 */

/**
 * Final responses after which the next carrier is tried: those that speak of the carrier. What speaks of the callee
 * (busy, unknown, declined) ends the call.
 *
 * @type {(number | "5xx")[]}
 */
const FAILOVER = [402, 403, 408, "5xx"];

/**
 * The carriers of a number, cheapest first: the longest prefix of each deck is what that carrier asks. Between equal
 * prices the longer prefix comes first, and then the deck that is named first. A row with `action` reject in any deck
 * refuses the call, whatever the others say.
 *
 * @param {Snapshot} snapshot @param {readonly string[]} decks @param {Dialled} call
 */
export function route(snapshot, decks, { routedBy, dipped }) {
  const before = dipped ? [`dipped before: ${routedBy}`] : [];
  if (decks.every((deck) => snapshot[deck]?.size === 0)) return pass().because(...before, `no rates yet in ${decks.join(", ")}`);
  /** @type {Offer[]} */
  const offers = [];
  for (const deck of decks) {
    const found = snapshot[deck]?.longestPrefix(routedBy);
    if (found === undefined) continue;
    if (found.row["action"] === "reject") {
      const { status } = found.row;
      return reject(typeof status === "number" ? status : 403).because(...before, `${found.reason} is blocked`);
    }
    offers.push(...offerOf(deck, found));
  }
  if (offers.length === 0) return reject(404).because(...before, `no rate for ${routedBy}`);
  // Stable, so that the order of the decks is what is left.
  offers.sort((a, b) => (a.price === b.price ? b.prefix - a.prefix : a.price - b.price));
  return serial(...offers.map(({ target }) => target))
    .failover(...FAILOVER)
    .because(...before, ...offers.map(({ reason }) => reason));
}

/** Empty when the row leads nowhere: this carrier does not go there. @param {string} deck @param {Found} found @returns {Offer[]} */
function offerOf(deck, { row, reason }) {
  const { prefix, dst_uri: hop, gateways, carrier = deck, price: asked, fr_timer: first, fr_inv_timer: ring } = row;
  if (hop === undefined && gateways === undefined) return [];
  const target = (hop === undefined ? to() : to(String(hop))).header("X-Carrier", String(carrier));
  if (gateways !== undefined) target.gateways(String(gateways));
  if (typeof first === "number") target.timeout(first);
  if (typeof ring === "number") target.ringTimeout(ring);
  const price = priceOf(asked);
  const at = price === Infinity ? "without a price" : `at ${price}`;
  return [{ price, prefix: String(prefix).replace(/^\+/, "").length, target, reason: `${reason} -> ${carrier} ${at}` }];
}

/**
 * A price is zero or more, in decimal digits: `0.010`. What is no price is dearer than any, so that it does not come first.
 *
 * @param {unknown} value
 */
function priceOf(value) {
  const price = typeof value === "number" ? value : typeof value === "string" && /^[0-9.]+$/.test(value) ? Number(value) : NaN;
  return Number.isFinite(price) && price >= 0 ? price : Infinity;
}
