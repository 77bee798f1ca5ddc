/**
 * The checks of the proxy that need no SIP parser, in its order: version, what the action needs, what it does
 * not use, then the values. The first thing found wrong is thrown.
 */
import type { Contact, Decision, HeaderEdits, Route } from "./contract.js";
import { Invalid } from "./invalid.js";
import { extraLines, headerName, oneLine, uri } from "./lines.js";
import { child } from "./read.js";

/** How many routes and contacts a decision may have. */
export interface Counts {
  maxRoutes: number;
  maxContacts: number;
}

/** Longest `fr_timer`, `fr_inv_timer` and `extend_ms`: 10 minutes. */
const LONGEST_TIMER_MS = 600_000;
/** Longest `retry_after_ms` and `cache.ttl_ms`: a day. */
const LONGEST_DAY_MS = 86_400_000;
/** Longest `cache.key`, in characters. */
const LONGEST_KEY = 256;

const SIP_OR_TEL = ["sip", "sips", "tel"];
/** A telephone number is nowhere to send a packet to. */
const SIP = ["sip", "sips"];

/** Fields that belong to some actions only. */
const OF_ACTIONS = [
  "routing", "routes", "failover", "requery", "status", "reason", "headers", "retry_after_ms", "contacts", "extend_ms",
] as const;
type OfAction = (typeof OF_ACTIONS)[number];

/**
 * Checks a decision whose types are right.
 *
 * @throws {Invalid} for the first thing found wrong
 */
export function check(decision: Decision, counts: Counts): void {
  const { version, cache } = decision;
  if (version !== undefined && version !== "1" && !version.startsWith("1.")) {
    throw new Invalid("unknown_version", "/version", `${JSON.stringify(version)}; this proxy reads 1.x`);
  }
  switch (decision.action ?? "route") {
    case "route":
      checkRoute(decision, counts.maxRoutes);
      break;
    case "reject":
      checkReject(decision);
      break;
    case "redirect":
      checkRedirect(decision, counts.maxContacts);
      break;
    case "pass":
      checkUnused(decision, []);
      break;
    case "extend":
      checkUnused(decision, ["extend_ms"]);
      if (decision.extend_ms === undefined) {
        throw new Invalid("missing_field", "/extend_ms", "extend says how much longer to wait, in milliseconds");
      }
      within("/extend_ms", decision.extend_ms, LONGEST_TIMER_MS);
  }
  if (cache === undefined) return;
  const length = [...cache.key].length;
  if (length === 0 || length > LONGEST_KEY) {
    throw new Invalid("bad_name", "/cache/key", `${length} characters; a key has 1 to ${LONGEST_KEY}`);
  }
  within("/cache/ttl_ms", cache.ttl_ms, LONGEST_DAY_MS);
}

function checkRoute(decision: Decision, maxRoutes: number): void {
  const routes = decision.routes ?? [];
  const [first] = routes;
  if (first === undefined) throw new Invalid("no_routes", "/routes", "a decision has routes or another action");
  checkUnused(decision, ["routing", "routes", "failover", "requery"]);
  if (routes.length > maxRoutes) {
    throw new Invalid("too_many_routes", "/routes", `${routes.length}; at most ${maxRoutes} are taken`);
  }
  routes.forEach((route, index) => {
    checkOneRoute(route, `/routes/${index}`);
    if ((route.group === undefined) !== (first.group === undefined)) {
      const without = route.group === undefined ? index : 0;
      throw new Invalid("missing_field", `/routes/${without}/group`, "either every route has a group or none");
    }
  });
}

function checkOneRoute(route: Route, at: string): void {
  if (route.uri !== undefined) uri(`${at}/uri`, route.uri, SIP_OR_TEL);
  if (route.dst_uri !== undefined) uri(`${at}/dst_uri`, route.dst_uri, SIP);
  if (route.path !== undefined) oneLine(`${at}/path`, route.path);
  if (route.socket !== undefined) oneLine(`${at}/socket`, route.socket);
  checkHeaders(route.headers ?? {}, `${at}/headers`);
  if (route.fr_timer !== undefined) within(`${at}/fr_timer`, route.fr_timer, LONGEST_TIMER_MS);
  if (route.fr_inv_timer !== undefined) within(`${at}/fr_inv_timer`, route.fr_inv_timer, LONGEST_TIMER_MS);
  if (route.gateways !== undefined && !/^[a-z0-9_-]{1,63}$/.test(route.gateways)) {
    throw new Invalid("bad_name", `${at}/gateways`, `${JSON.stringify(route.gateways)}; only a-z, 0-9, _ and - may be used`);
  }
}

function checkReject(decision: Decision): void {
  checkUnused(decision, ["status", "reason", "headers", "retry_after_ms"]);
  const { status, retry_after_ms: retryAfter } = decision;
  if (status === undefined) throw new Invalid("missing_field", "/status", "reject says which status, 400 to 699");
  if (status < 400 || status > 699) throw new Invalid("bad_status", "/status", `${status}; reject takes 400 to 699`);
  checkResponse(decision);
  if (retryAfter === undefined) return;
  if (typeof retryAfter === "number") return within("/retry_after_ms", retryAfter, LONGEST_DAY_MS);
  within("/retry_after_ms/min", retryAfter.min, LONGEST_DAY_MS);
  within("/retry_after_ms/max", retryAfter.max, LONGEST_DAY_MS);
  if (retryAfter.min > retryAfter.max) {
    throw new Invalid("bad_number", "/retry_after_ms/min", `${retryAfter.min} is more than max, ${retryAfter.max}`);
  }
}

function checkRedirect(decision: Decision, maxContacts: number): void {
  checkUnused(decision, ["status", "reason", "headers", "contacts"]);
  const { status, contacts = [] } = decision;
  if (status !== undefined && (status < 300 || status > 399)) {
    throw new Invalid("bad_status", "/status", `${status}; redirect takes 300 to 399`);
  }
  checkResponse(decision);
  if (contacts.length === 0) throw new Invalid("missing_field", "/contacts", "redirect says where to go");
  if (contacts.length > maxContacts) {
    throw new Invalid("too_many_contacts", "/contacts", `${contacts.length}; at most ${maxContacts} are taken`);
  }
  contacts.forEach((contact, index) => checkContact(contact, `/contacts/${index}`));
}

function checkContact({ uri: target, q }: Contact, at: string): void {
  if (target === "") throw new Invalid("missing_field", `${at}/uri`, "a contact has a URI");
  uri(`${at}/uri`, target, SIP_OR_TEL);
  if (q !== undefined && !(q >= 0 && q <= 1)) throw new Invalid("bad_number", `${at}/q`, `${q} is not between 0 and 1`);
}

/** Reason phrase and headers of a response of the proxy's own. */
function checkResponse({ reason, headers = {} }: Decision): void {
  if (reason !== undefined) oneLine("/reason", reason);
  const { from, to, remove = [] } = headers;
  const beyond = from !== undefined ? "from" : to !== undefined ? "to" : remove.length > 0 ? "remove" : undefined;
  if (beyond !== undefined) {
    throw new Invalid("unexpected_field", `/headers/${beyond}`, "the headers of a response can be set or added, nothing else");
  }
  checkHeaders(headers, "/headers");
}

function checkHeaders(headers: HeaderEdits, at: string): void {
  for (const field of ["from", "to"] as const) {
    const { display, uri: target } = headers[field] ?? {};
    if (display !== undefined) oneLine(`${at}/${field}/display`, display);
    if (target !== undefined) uri(`${at}/${field}/uri`, target, SIP_OR_TEL);
  }
  if (headers.extra !== undefined) extraLines(`${at}/extra`, headers.extra);
  const names = Object.keys(headers.set ?? {}).sort();
  for (const name of names) {
    const pointer = child(`${at}/set`, name);
    headerName(pointer, name);
    oneLine(pointer, headers.set?.[name] ?? "");
    if (names.some((other) => other !== name && other.toLowerCase() === name.toLowerCase())) {
      throw new Invalid("duplicate_field", pointer, "the same header is set twice; letter case does not count");
    }
  }
  (headers.remove ?? []).forEach((name, index) => headerName(`${at}/remove/${index}`, name));
}

/**
 * Refuses a field of another action: it would be ignored, and whoever wrote it believes otherwise. A document
 * without an action is rtjson, where anything may stand beside the routes.
 */
function checkUnused(decision: Decision, used: readonly OfAction[]): void {
  if (decision.action === undefined) return;
  const unused = OF_ACTIONS.find((field) => !used.includes(field) && saysSomething(decision, field));
  if (unused !== undefined) throw new Invalid("unexpected_field", `/${unused}`, `has no effect on ${decision.action}`);
}

/** Whether the field would have an effect. An empty `failover` does: it means that nothing moves on. */
function saysSomething(decision: Decision, field: OfAction): boolean {
  switch (field) {
    case "routes":
    case "contacts":
      return (decision[field] ?? []).length > 0;
    case "requery":
      return decision.requery === true;
    case "headers": {
      const { from, to, extra, set = {}, remove = [] } = decision.headers ?? {};
      return [from, to, extra].some((edit) => edit !== undefined) || Object.keys(set).length > 0 || remove.length > 0;
    }
    default:
      return decision[field] !== undefined;
  }
}

function within(at: string, ms: number, max: number): void {
  if (ms >= 1 && ms <= max) return;
  throw new Invalid("bad_number", at, `${ms} ms; 1 to ${max} can be asked for, leave the field out for the proxy's setting`);
}
