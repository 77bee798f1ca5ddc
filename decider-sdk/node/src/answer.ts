import type { Contact, Decision, Route, StatusMatch } from "./contract.js";
import { Target, to } from "./target.js";

/** What a handler may return: something a builder made, or the document itself. */
export type Reply = Answer | Decision;

/** A decision in the making. */
export class Answer {
  protected readonly decision: Decision;

  constructor(decision: Decision) {
    this.decision = { version: "1.0", ...decision };
  }

  /** Says why. Reasons appear in the proxy's decision records and in the ladder of a call. */
  because(...reasons: string[]): this {
    this.decision.reasons = [...(this.decision.reasons ?? []), ...reasons];
    return this;
  }

  /** The document that goes out. */
  toJSON(): Decision {
    return structuredClone(this.decision);
  }
}

/** A `route` in the making. */
export class RouteAnswer extends Answer {
  /** Which final responses move on to the next target: a status (`408`) or a class (`"5xx"`). */
  failover(...on: StatusMatch[]): this {
    this.decision.failover = on;
    return this;
  }

  /** Ask again, with what was `tried`, when every target has failed. */
  requery(): this {
    this.decision.requery = true;
    return this;
  }

  /** The proxy may give this answer again by itself, under `key`, for `ttlMs` milliseconds. */
  cache(key: string, ttlMs: number): this {
    this.decision.cache = { key, ttl_ms: ttlMs };
    return this;
  }
}

/** A `reject` in the making. */
export class RejectAnswer extends Answer {
  /** Retry-After, in milliseconds: one value, or a range to draw from so that callers do not return as one. */
  retryAfter(ms: number, upTo?: number): this {
    this.decision.retry_after_ms = upTo === undefined ? ms : { min: ms, max: upTo };
    return this;
  }

  /** A header on the response. */
  header(name: string, value: string): this {
    const headers = (this.decision.headers ??= {});
    headers.set = { ...headers.set, [name]: value };
    return this;
  }
}

/**
 * Sends the call on: to one target, or to several, each tried when the one before it has failed.
 * Targets with a {@link Target.group} ring together within their group.
 *
 * @param targets next hops as SIP URIs, or made by {@link to} when they need more than that
 */
export function route(...targets: (string | Target | Route)[]): RouteAnswer {
  return new RouteAnswer({ action: "route", routes: targets.map(asRoute) });
}

/** {@link route} that says `serial` in the document even where the proxy would assume it. */
export function serial(...targets: (string | Target | Route)[]): RouteAnswer {
  return new RouteAnswer({ action: "route", routing: "serial", routes: targets.map(asRoute) });
}

/** Rings all targets at once; the first to answer gets the call and the rest are cancelled. */
export function parallel(...targets: (string | Target | Route)[]): RouteAnswer {
  return new RouteAnswer({ action: "route", routing: "parallel", routes: targets.map(asRoute) });
}

/**
 * Refuses the call. This is a decision: local rules are not consulted.
 *
 * @param status 400 to 699
 * @param reason the reason phrase; the usual one for the status by default
 */
export function reject(status: number, reason?: string): RejectAnswer {
  return new RejectAnswer({ action: "reject", status, ...(reason === undefined ? {} : { reason }) });
}

/**
 * Sends the caller elsewhere with a 3xx.
 *
 * @param contacts one URI or contact, or several
 * @param status 300 to 399; 302 by default
 */
export function redirect(contacts: string | Contact | (string | Contact)[], status = 302): Answer {
  const list = Array.isArray(contacts) ? contacts : [contacts];
  return new Answer({
    action: "redirect",
    status,
    contacts: list.map((contact) => (typeof contact === "string" ? { uri: contact } : contact)),
  });
}

/** Leaves it to the proxy's local rules. */
export function pass(): Answer {
  return new Answer({ action: "pass" });
}

/**
 * Not a decision: asks the proxy to keep waiting `ms` milliseconds longer, within what its
 * configuration allows. A handler that goes on deciding calls `ctx.extend(ms)` instead; returning
 * this means that somebody else will answer.
 */
export function extend(ms: number): Answer {
  return new Answer({ action: "extend", extend_ms: ms });
}

function asRoute(target: string | Target | Route): Route {
  if (typeof target === "string") return to(target).toJSON();
  return target instanceof Target ? target.toJSON() : target;
}
