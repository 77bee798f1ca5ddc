/** @import { Uri } from "@sigbox/decider" */

/**
 * @typedef {object} Dialled  The telephone number that a request calls (RFC 3966).
 * @property {string} number    without `+` or `00` in front and without separators
 * @property {string} routedBy  the routing number that came with the request, else the number (RFC 4694)
 * @property {boolean} dipped   somebody has looked the number up already
 */

/**
 * The number in `tel:+4930123`, or in the user of a SIP URI; undefined when there is none.
 *
 * @param {Uri} uri @returns {Dialled | undefined}
 */
export function dialled({ scheme, user = "", params = {} }) {
  const [written = "", ...parts] = user.split(";");
  const number = digits(written);
  if (!/^[0-9*#]+$/.test(number)) return undefined;
  const beside = parts.map((part) => part.split("=", 2));
  const named = [...beside, ...(scheme === "tel" ? Object.entries(params) : [])];
  /** @param {string} wanted */
  const value = (wanted) => named.find(([name = ""]) => name.toLowerCase() === wanted)?.[1];
  const rn = value("rn");
  return { number, routedBy: rn ? digits(rn) : number, dipped: Boolean(rn) || named.some(([name = ""]) => name.toLowerCase() === "npdi") };
}

/** @param {string} text */
function digits(text) {
  return text.replace(/[-.()]/g, "").replace(/^\+|^00/, "");
}
