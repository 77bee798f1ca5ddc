import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Address, Class, Decision, Query, Uri } from "./contract.js";
import type { Class as Served, Decider } from "./decider.js";
import { Dispatcher, type Endpoint } from "./dispatch.js";
import { silentLog, type Log } from "./log.js";
import { HEADER } from "./nats_headers.js";
import { uriParts } from "./uri.js";

/** What a test says about the request; everything has a default, addresses may be given as URI text. */
export interface Request extends Partial<Omit<Query, "from" | "to" | "contact" | "request_uri">> {
  request_uri?: string | Uri;
  from?: string | Address;
  to?: string | Address;
  contact?: (string | Address)[];
  /** `Sigbox-Mode`; `live` by default. */
  mode?: string;
  /** Unix ms instead of `budget_ms` from now: a past one is a query that came too late. */
  deadline?: number;
}

/** What became of a query. */
export interface Result {
  /** The decision as it would have gone out, or undefined when none did. */
  decision?: Decision;
  /** The service error that would have gone out instead. */
  error?: { code: number; message: string };
  /** Set when nothing went out, and why. */
  dropped?: "expired" | "late" | "cancelled";
  /** Milliseconds asked for with `ctx.extend()`, in order. */
  extended: number[];
  /** NATS headers of the reply. */
  headers: Record<string, string>;
  /** Where the decision sends the call: `dst_uri`, or `uri` where that is all there is. */
  destinations: string[];
  /** The decision's reasons. */
  reasons: string[];
}

/** A query under way: await it for the outcome, or cancel it as a caller who hangs up does. */
export interface Asked extends Promise<Result> {
  cancel(): void;
}

/** Options of {@link harness}. */
export interface HarnessOptions {
  /** Queries in hand at once; 256 by default as in production. */
  concurrency?: number;
  /** Where the handler's log goes; nowhere by default. */
  log?: Log;
}

/** Runs a decider's handlers on queries made up by a test: the same path as in production, without NATS. */
export class Harness {
  readonly #decider: Decider;
  readonly #dispatcher: Dispatcher;

  constructor(decider: Decider, options: HarnessOptions = {}) {
    this.#decider = decider;
    this.#dispatcher = new Dispatcher({
      decider: decider.label,
      concurrency: options.concurrency ?? 256,
      maxReplyBytes: 65_536,
      log: options.log ?? silentLog,
    });
  }

  /** A call to `uri`. */
  invite(uri: string, request: Request = {}): Asked {
    return this.ask("invite", { method: "INVITE", request_uri: uri, ...request });
  }

  /** A MESSAGE to `uri`. */
  message(uri: string, request: Request = {}): Asked {
    return this.ask("message", { method: "MESSAGE", request_uri: uri, ...request });
  }

  /** A query of any class. */
  ask(classOf: Served, request: Request = {}): Asked {
    const endpoint = this.#decider.endpoints.get(classOf);
    if (endpoint === undefined) throw new Error(`${this.#decider.label} has no handler for "${classOf}"`);
    const query = sampleQuery(classOf, request);
    const asked = this.#serve(endpoint, query, request) as Asked;
    asked.cancel = () => this.#dispatcher.cancel(query.id);
    return asked;
  }

  /** A query document as it is, for instance a golden example: bytes or text. */
  raw(classOf: Served, payload: string | Uint8Array, headers: Record<string, string> = {}): Promise<Result> {
    const endpoint = this.#decider.endpoints.get(classOf);
    if (endpoint === undefined) throw new Error(`${this.#decider.label} has no handler for "${classOf}"`);
    return this.#deliver(endpoint, payload, headers);
  }

  #serve(endpoint: Endpoint, query: Query, request: Request): Promise<Result> {
    return this.#deliver(endpoint, JSON.stringify(query), {
      [HEADER.id]: query.id,
      [HEADER.attempt]: String(query.attempt),
      [HEADER.budgetMs]: String(query.budget_ms),
      [HEADER.deadline]: String(request.deadline ?? Date.now() + query.budget_ms),
      [HEADER.mode]: request.mode ?? "live",
    });
  }

  async #deliver(endpoint: Endpoint, payload: string | Uint8Array, headers: Record<string, string>): Promise<Result> {
    const outcome: Result = { extended: [], headers: {}, destinations: [], reasons: [] };
    const fate = await this.#dispatcher.serve(endpoint, {
      header: (name) => headers[name],
      data: typeof payload === "string" ? new TextEncoder().encode(payload) : payload,
      reply: (text, replyHeaders) => record(outcome, text, replyHeaders),
    });
    if (fate === "expired" || fate === "late" || fate === "cancelled") outcome.dropped = fate;
    return outcome;
  }
}

/** A {@link Harness} for `decider`. */
export function harness(decider: Decider, options: HarnessOptions = {}): Harness {
  return new Harness(decider, options);
}

/** A complete query as the proxy would send it, with `request` in it. */
export function sampleQuery(classOf: Class, request: Request = {}): Query {
  const { request_uri, from, to, contact, mode: _mode, deadline: _deadline, ...rest } = request;
  const requestUri = asUri(request_uri ?? "sip:+4930123@example.com");
  return {
    version: "1.0",
    event: "sip-routing",
    id: randomUUID(),
    node: "test",
    tenant: "default",
    class: classOf,
    attempt: 1,
    budget_ms: 1_000,
    source: { ip: "192.0.2.10", port: 5060, transport: "udp" },
    local: { ip: "192.0.2.1", port: 5060, transport: "udp" },
    method: classOf.toUpperCase(),
    call_id: `${randomUUID()}@test`,
    cseq: 1,
    max_forwards: 69,
    request_uri: requestUri,
    from: { tag: "from-tag", ...asAddress(from ?? "sip:alice@example.com") },
    to: asAddress(to ?? requestUri.text),
    ...(contact === undefined ? {} : { contact: contact.map(asAddress) }),
    ...rest,
  };
}

/** One line of `contracts/examples/manifest.json` with the document it is about. */
export interface GoldenExample {
  file: string;
  kind: string;
  valid: boolean;
  /** Label of the refusal of an invalid one, and where it is. */
  reason?: string;
  pointer?: string;
  /** What a valid decision does. */
  action?: string;
  /** `sip`: only the proxy can see that it is invalid. */
  layer: "shape" | "sip";
  note?: string;
  /** The document, byte for byte. */
  bytes: Uint8Array;
}

/**
 * The golden examples that the proxy and every SDK run over.
 *
 * @param folder `contracts/examples` of a sigbox checkout
 */
export function goldenExamples(folder: string): GoldenExample[] {
  const manifest: unknown = JSON.parse(readFileSync(join(folder, "manifest.json"), "utf8"));
  const lines = Array.isArray(manifest) ? manifest : (manifest as { examples: unknown[] }).examples;
  return (lines as Omit<GoldenExample, "bytes">[]).map((line) => ({
    ...line,
    bytes: readFileSync(join(folder, line.file)),
  }));
}

function record(outcome: Result, text: string, headers: Record<string, string>): void {
  const code = headers[HEADER.errorCode];
  if (code !== undefined) {
    outcome.error = { code: Number(code), message: headers[HEADER.error] ?? "" };
    outcome.headers = headers;
    return;
  }
  const decision = JSON.parse(text) as Decision;
  if (decision.action === "extend" && typeof decision.extend_ms === "number") {
    outcome.extended.push(decision.extend_ms);
    return;
  }
  outcome.decision = decision;
  outcome.headers = headers;
  outcome.reasons = decision.reasons ?? [];
  outcome.destinations = (decision.routes ?? []).map((route) => route.dst_uri ?? route.uri ?? "");
}

function asUri(uri: string | Uri): Uri {
  return typeof uri === "string" ? uriParts(uri) : uri;
}

function asAddress(address: string | Address): Address {
  return typeof address === "string" ? { uri: uriParts(address) } : address;
}
