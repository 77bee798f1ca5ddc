import type { Contact, Decision, HeaderEdits, NameAddr, RetryAfter, Route, StatusMatch } from "./contract.js";
import { Invalid } from "./invalid.js";
import { child, flag, list, number, object, oneOf, struct, text, textMap, textOrUnset, whole, wrongType, type Read } from "./read.js";
import { check } from "./validate.js";

/** Bounds that a decision is held to; the defaults are those of the proxy. */
export interface Limits {
  /** Largest document, in bytes. Default 65,536. */
  maxBytes?: number;
  /** Most routes. Default 32. */
  maxRoutes?: number;
  /** Most contacts. Default 32. */
  maxContacts?: number;
}

/** {@link Limits} with the defaults. */
export const DEFAULT_LIMITS: Required<Limits> = { maxBytes: 65_536, maxRoutes: 32, maxContacts: 32 };

/**
 * Reads and checks a decision as the proxy does, as far as that needs no SIP parser.
 *
 * Taken as well: an rtjson document (field names in any case, `""` for unset) and one inside Wazo's wrapper,
 * `{"success": true, "rtjson": {…}}`. What comes back has neither.
 *
 * One thing the proxy sees is not seen here: a field that stands twice in the text under exactly the same name.
 *
 * @throws {Invalid} for the first thing found wrong
 */
export function parseDecision(document: string | Uint8Array, limits: Limits = {}): Decision {
  const { maxBytes, ...most } = { ...DEFAULT_LIMITS, ...limits };
  const size = typeof document === "string" ? Buffer.byteLength(document) : document.byteLength;
  if (size > maxBytes) throw new Invalid("too_large", "", `${size} bytes, at most ${maxBytes} are read`);
  const top = object(parseJson(document), "");
  const wrapper = Object.entries(top).find(([key]) => key.toLowerCase() === "rtjson");
  if (wrapper === undefined) return readAndCheck(top, namesAction(top), most);
  const inner = unwrap(top, wrapper[1]);
  try {
    return readAndCheck(inner, namesAction(top) || namesAction(inner), most);
  } catch (error) {
    throw error instanceof Invalid ? error.under("/rtjson") : error;
  }
}

/**
 * Checks a decision that was built rather than read.
 *
 * @throws {Invalid} for the first thing found wrong
 */
export function validate(decision: Decision, limits: Limits = {}): Decision {
  return parseDecision(JSON.stringify(decision) ?? "", limits);
}

function readAndCheck(document: Record<string, unknown>, strict: boolean, limits: Required<Omit<Limits, "maxBytes">>): Decision {
  const decision = (strict ? named : rtjson)(document, "") ?? {};
  check(decision, limits);
  return decision;
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const SURROGATE_ESCAPE = /\\u[dD][89a-fA-F]/;
const LONE_SURROGATE = /\p{Surrogate}/u;

function parseJson(document: string | Uint8Array): unknown {
  try {
    const json = typeof document === "string" ? document : utf8.decode(document);
    const value: unknown = JSON.parse(json);
    // JavaScript has strings that are no text; nobody else's JSON parser takes them.
    if (SURROGATE_ESCAPE.test(json) || LONE_SURROGATE.test(json)) refuseLoneSurrogates(value);
    return value;
  } catch (error) {
    throw error instanceof Invalid ? error : new Invalid("not_json", "", error instanceof Error ? error.message : String(error));
  }
}

function refuseLoneSurrogates(value: unknown): void {
  if (typeof value === "string") {
    if (LONE_SURROGATE.test(value)) throw new Invalid("not_json", "", "half of a character (a lone surrogate)");
  } else if (typeof value === "object" && value !== null) {
    for (const [key, element] of Object.entries(value)) {
      refuseLoneSurrogates(key);
      refuseLoneSurrogates(element);
    }
  }
}

function namesAction(document: Record<string, unknown>): boolean {
  return Object.keys(document).some((key) => key.toLowerCase() === "action");
}

/** Wazo's wrapper. `success` has been seen beside and inside `rtjson`; false means that there is no route. */
function unwrap(top: Record<string, unknown>, rtjsonValue: unknown): Record<string, unknown> {
  const verdict = struct<{ success: boolean }>({ success: flag });
  if (verdict(top, "")?.success === false) {
    throw new Invalid("no_routes", "/success", "the wrapper says that there is no route");
  }
  if (rtjsonValue === null) throw new Invalid("no_routes", "/rtjson", "the wrapper is empty");
  const inner = object(rtjsonValue, "/rtjson");
  if (verdict(inner, "/rtjson")?.success === false) {
    throw new Invalid("no_routes", "/rtjson/success", "the wrapper says that there is no route");
  }
  return inner;
}

const nameAddr = struct<NameAddr>({ display: text, uri: textOrUnset });

const headerEdits = struct<HeaderEdits>({
  from: nameAddr,
  to: nameAddr,
  extra: textOrUnset,
  set: textMap,
  remove: list(text),
});

const route = struct<Route>({
  uri: textOrUnset,
  dst_uri: textOrUnset,
  path: textOrUnset,
  socket: textOrUnset,
  headers: headerEdits,
  branch_flags: whole(0xffff_ffff),
  fr_timer: whole(Number.MAX_SAFE_INTEGER),
  fr_inv_timer: whole(Number.MAX_SAFE_INTEGER),
  group: whole(0xffff),
  gateways: textOrUnset,
});

const statusMatch: Read<StatusMatch> = (value, at) => {
  if (typeof value !== "number" && typeof value !== "string") throw wrongType(at, value, "a status or a class of statuses");
  const known = typeof value === "number" ? Number.isInteger(value) && value >= 300 && value < 700 : /^[3-6]xx$/.test(value);
  if (known) return value as StatusMatch;
  throw new Invalid("bad_status", at, `${JSON.stringify(value)} is neither a status from 300 to 699 nor "3xx" to "6xx"`);
};

const range = struct<{ min: number; max: number }>({ min: whole(Number.MAX_SAFE_INTEGER), max: whole(Number.MAX_SAFE_INTEGER) });

const retryAfter: Read<RetryAfter> = (value, at) => {
  if (typeof value !== "object" || value === null) return whole(Number.MAX_SAFE_INTEGER)(value, at);
  const read = range(value, at);
  if (read?.min === undefined || read.max === undefined) throw new Invalid("missing_field", at, "a range has both min and max");
  return read;
};

const cacheHint: Read<{ key: string; ttl_ms: number }> = (value, at) => {
  const read = struct<{ key: string; ttl_ms: number }>({ key: text, ttl_ms: whole(Number.MAX_SAFE_INTEGER) }, ["key", "ttl_ms"])(value, at);
  if (read === undefined) return undefined;
  if (read.ttl_ms === undefined) throw new Invalid("missing_field", child(at, "ttl_ms"), "is null");
  return { key: read.key ?? "", ttl_ms: read.ttl_ms };
};

const contact: Read<Contact> = (value, at) => {
  const read = struct<Contact>({ uri: text, q: number, expires: whole(0xffff_ffff) }, ["uri"])(value, at);
  return read === undefined ? undefined : { ...read, uri: read.uri ?? "" };
};

/** What an rtjson document may say to us; any other field there is somebody else's, whatever its type. */
const RTJSON = {
  version: text,
  routing: oneOf(["serial", "parallel"], "unknown_routing"),
  routes: list(route),
  failover: list(statusMatch),
  requery: flag,
  reasons: list(text),
  cache: cacheHint,
};

const rtjson: Read<Decision> = struct(RTJSON);

const named: Read<Decision> = struct<Required<Decision>>({
  ...RTJSON,
  action: oneOf(["route", "reject", "redirect", "pass", "extend"], "unknown_action"),
  status: whole(0xffff, "bad_status"),
  reason: textOrUnset,
  headers: headerEdits,
  retry_after_ms: retryAfter,
  contacts: list(contact),
  extend_ms: whole(Number.MAX_SAFE_INTEGER),
});
