import { readFileSync, statSync } from "node:fs";

/**
 * @typedef {object} Rate  One line of the file.
 * @property {string} prefix      first characters of the number, without `+`
 * @property {string} carrier     who it is, for the reasons
 * @property {string} uri         next hop as a SIP URI; for `redirect` the contact
 * @property {number} [timeoutMs] how long to wait for this carrier
 * @property {number} cost        rows of one prefix are tried in ascending order
 * @property {string} mode        serial, parallel, redirect, silent, or reject:STATUS
 */

const COLUMNS = "prefix,carrier,uri,timeout_ms,cost,mode";
const MODE = /^(serial|parallel|redirect|silent|reject:[4-6]\d\d)$/;

/** The rates of a CSV file, found by longest prefix. */
export class Rates {
  /** @type {Map<string, Rate[]>} */
  #byPrefix = new Map();
  #longest = 0;

  /** @param {string} csv @throws {Error} naming the line that cannot be right */
  constructor(csv) {
    const [header, ...lines] = csv.split(/\r?\n/);
    if (header !== COLUMNS) throw new Error(`line 1: must be "${COLUMNS}"`);
    lines.forEach((line, index) => line.trim() !== "" && this.#add(parse(line, index + 2)));
    for (const rates of this.#byPrefix.values()) rates.sort((a, b) => a.cost - b.cost);
  }

  /** The rates of the longest prefix of `number`, cheapest first. @param {string} number */
  lookup(number) {
    for (let length = Math.min(number.length, this.#longest); length > 0; length -= 1) {
      const rates = this.exact(number.slice(0, length));
      if (rates !== undefined) return rates;
    }
    return undefined;
  }

  /** The rates of exactly this prefix. @param {string} prefix */
  exact(prefix) {
    return this.#byPrefix.get(prefix);
  }

  /** @param {Rate} rate */
  #add(rate) {
    this.#byPrefix.set(rate.prefix, [...(this.#byPrefix.get(rate.prefix) ?? []), rate]);
    this.#longest = Math.max(this.#longest, rate.prefix.length);
  }
}

/**
 * Reads `path` now and again whenever it changes. A file that cannot be read leaves the rates as they were.
 *
 * @param {string} path
 * @param {{ everyMs?: number, onReload?: () => void, onError?: (message: string) => void }} [options]
 */
export function watchRates(path, { everyMs = 1_000, onReload = () => {}, onError = console.error } = {}) {
  // Taken before the file is read: a change in between is seen the next time.
  let seen = stamp(path);
  const watched = { rates: new Rates(readFileSync(path, "utf8")), close: () => clearInterval(timer) };
  // Looking at the name and not watching the file itself: editors and config maps put another one in its place.
  const timer = setInterval(reloadIfChanged, everyMs).unref();
  return watched;

  function reloadIfChanged() {
    const now = stamp(path);
    if (now === seen) return;
    seen = now;
    try {
      watched.rates = new Rates(readFileSync(path, "utf8"));
      onReload();
    } catch (error) {
      onError(`${path}: ${error instanceof Error ? error.message : error}; the rates stay as they were`);
    }
  }
}

/** Which file this is and when it was last written. @param {string} path */
function stamp(path) {
  const stats = statSync(path, { bigint: true, throwIfNoEntry: false });
  return stats && `${stats.dev}:${stats.ino} ${stats.size} ${stats.mtimeNs} ${stats.ctimeNs}`;
}

/** @param {string} line @param {number} number @returns {Rate} */
function parse(line, number) {
  const [prefix = "", carrier = "", uri = "", timeout = "", cost = "", mode = "serial", ...more] = line.split(",").map((cell) => cell.trim());
  const rate = { prefix: prefix.replace(/^\+/, ""), carrier, uri, cost: Number(cost), mode: mode || "serial" };
  const fail = (/** @type {string} */ why) => new Error(`line ${number}: ${why}`);
  if (more.length > 0) throw fail("more columns than the header");
  if (rate.prefix === "") throw fail("prefix is empty");
  if (!MODE.test(rate.mode)) throw fail(`mode "${mode}": one of serial, parallel, redirect, silent, reject:STATUS`);
  if (!Number.isFinite(rate.cost)) throw fail(`cost "${cost}" is no number`);
  if (uri === "" && ["serial", "parallel", "redirect"].includes(rate.mode)) throw fail(`mode ${rate.mode} needs a uri`);
  if (timeout === "") return rate;
  if (!/^[1-9]\d*$/.test(timeout)) throw fail(`timeout_ms "${timeout}" is no number of milliseconds`);
  return { ...rate, timeoutMs: Number(timeout) };
}
