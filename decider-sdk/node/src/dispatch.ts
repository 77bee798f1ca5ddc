import { Call } from "./call.js";
import { Context, type Withdrawn } from "./context.js";
import type { Query } from "./contract.js";
import { Invalid } from "./invalid.js";
import type { Log } from "./log.js";
import { HEADER, headerText } from "./nats_headers.js";
import type { Reply } from "./answer.js";
import { parseDecision } from "./parse.js";

/** Decides one query. What it throws becomes a service error, and the proxy falls back. */
export type Handler = (call: Call, ctx: Context) => Reply | Promise<Reply>;

/** A query as it arrives, whatever carried it. */
export interface Incoming {
  /** One header's value, or undefined. */
  header(name: string): string | undefined;
  /** The payload. */
  data: Uint8Array;
  /** Sends one reply. */
  reply(payload: string, headers: Record<string, string>): void;
}

/** What happened to the queries of one class since the start. */
export interface Counters {
  /** Decisions sent. */
  answered: number;
  /** Queries whose deadline had passed when they arrived, dropped unread. */
  expired: number;
  /** Queries answered 503: too many in hand, or not decided when the decider stopped. */
  busy: number;
  /** Queries that could not be read, answered 400. */
  malformed: number;
  /** Handlers that threw, answered 500. */
  failed: number;
  /** Decisions that this SDK refused to send, answered 500. */
  invalid: number;
  /** Answers that came after the deadline, dropped. */
  late: number;
  /** Answers to calls that had been cancelled, dropped. */
  cancelled: number;
  /** Replies that could not be handed to NATS. */
  unsent: number;
}

/** What became of one query: the counter that moved, or `stopped` when the decider went down over it. */
export type Fate = keyof Counters | "stopped";

/** One class of query, its handler and its figures: an endpoint in the sense of NATS services. */
export class Endpoint {
  readonly class: string;
  readonly handler: Handler;
  readonly counters: Counters = {
    answered: 0, expired: 0, busy: 0, malformed: 0, failed: 0, invalid: 0, late: 0, cancelled: 0, unsent: 0,
  };
  requests = 0;
  errors = 0;
  lastError = "";
  /** Time spent in the handler, in nanoseconds. */
  processingNs = 0n;

  constructor(classOf: string, handler: Handler) {
    this.class = classOf;
    this.handler = handler;
  }
}

/** What a dispatcher needs to know about the decider it works for. */
export interface DispatchSettings {
  /** `name/version`, put on every reply. */
  decider: string;
  /** Queries in hand at once. */
  concurrency: number;
  /** Largest decision, in bytes. */
  maxReplyBytes: number;
  log: Log;
}

/** Takes queries to their handlers and the answers back. Knows nothing of NATS. */
export class Dispatcher {
  readonly #settings: DispatchSettings;
  readonly #inHand = new Map<Context, { endpoint: Endpoint; incoming: Incoming }>();
  #idle: (() => void)[] = [];
  #full = false;
  #sawExpired = false;

  constructor(settings: DispatchSettings) {
    this.#settings = settings;
  }

  /** Queries being decided now. */
  get inHand(): number {
    return this.#inHand.size;
  }

  /** Decides one query and replies; never throws, never rejects. */
  async serve(endpoint: Endpoint, incoming: Incoming): Promise<Fate> {
    const started = process.hrtime.bigint();
    endpoint.requests += 1;
    const deadline = wallDeadline(incoming);
    if (Date.now() >= deadline) {
      return this.#dropExpired(endpoint, deadline);
    }
    if (this.#inHand.size >= this.#settings.concurrency) {
      return this.#refuseBusy(endpoint, incoming);
    }
    let query: Query;
    try {
      query = readQuery(incoming.data);
    } catch (error) {
      return this.#fail(endpoint, incoming, "malformed", 400, `query: ${messageOf(error)}`);
    }
    const ctx = new Context(askedOf(query, incoming, deadline), this.#settings.log, (ms) =>
      this.#send(endpoint, incoming, JSON.stringify({ version: "1.0", action: "extend", extend_ms: ms }), {}),
    );
    this.#inHand.set(ctx, { endpoint, incoming });
    try {
      return await this.#decide(endpoint, incoming, new Call(query), ctx);
    } finally {
      ctx.close();
      this.#inHand.delete(ctx);
      // Half-way down, not at the first free place: a decider at its limit would log at every query.
      if (this.#inHand.size <= this.#settings.concurrency / 2) this.#full = false;
      endpoint.processingNs += process.hrtime.bigint() - started;
      if (this.#inHand.size === 0) for (const wake of this.#idle.splice(0)) wake();
    }
  }

  /** Withdraws every query in hand with this decision id. */
  cancel(id: string): void {
    for (const ctx of this.#inHand.keys()) if (ctx.id === id) ctx.withdraw("cancelled");
  }

  /** Gives up whatever is in hand: each proxy hears 503 at once and need not wait out its deadline. */
  stop(): void {
    for (const [ctx, { endpoint, incoming }] of this.#inHand) {
      if (ctx.withdrawn !== undefined) continue;
      ctx.withdraw("stopped");
      this.#fail(endpoint, incoming, "busy", 503, "the decider is stopping");
    }
  }

  /** Resolves when nothing is in hand. */
  async idle(): Promise<void> {
    if (this.#inHand.size === 0) return;
    await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  async #decide(endpoint: Endpoint, incoming: Incoming, call: Call, ctx: Context): Promise<Fate> {
    let reply: Reply;
    try {
      reply = await endpoint.handler(call, ctx);
    } catch (error) {
      // A handler that stops because it was told to has not failed.
      if (ctx.withdrawn !== undefined) return this.#dropUnwanted(endpoint, ctx.withdrawn);
      ctx.log.error("handler failed", { class: endpoint.class, error: error instanceof Error ? error.stack : error });
      return this.#fail(endpoint, incoming, "failed", 500, messageOf(error));
    }
    if (ctx.withdrawn !== undefined) return this.#dropUnwanted(endpoint, ctx.withdrawn);
    let text: string;
    try {
      // What leaves is the very text that was checked, so nothing can change in between.
      text = encode(reply);
      parseDecision(text, { maxBytes: this.#settings.maxReplyBytes });
    } catch (error) {
      const why = error instanceof Invalid ? error.message : messageOf(error);
      ctx.log.error("the handler's decision is invalid and was not sent", { class: endpoint.class, error: why });
      return this.#fail(endpoint, incoming, "invalid", 500, `invalid decision: ${why}`);
    }
    if (!this.#send(endpoint, incoming, text, {})) return "unsent";
    endpoint.counters.answered += 1;
    return "answered";
  }

  #dropExpired(endpoint: Endpoint, deadline: number): Fate {
    endpoint.counters.expired += 1;
    // Once: after an outage there may be thousands, and clocks that differ expire every single one.
    if (!this.#sawExpired) {
      this.#sawExpired = true;
      this.#settings.log.warn("dropped a query that had expired; if this decider answers nothing, compare the clocks", {
        class: endpoint.class,
        late_ms: Date.now() - deadline,
      });
    }
    return "expired";
  }

  #refuseBusy(endpoint: Endpoint, incoming: Incoming): Fate {
    const inHand = this.#inHand.size;
    if (!this.#full) {
      this.#full = true;
      this.#settings.log.warn("answering 503: too many queries in hand", { in_hand: inHand });
    }
    return this.#fail(endpoint, incoming, "busy", 503, `busy: ${inHand} queries in hand`);
  }

  #dropUnwanted(endpoint: Endpoint, withdrawn: Withdrawn): Fate {
    if (withdrawn.why === "stopped") return "stopped";
    const counter = withdrawn.why === "deadline" ? "late" : "cancelled";
    endpoint.counters[counter] += 1;
    return counter;
  }

  #fail(endpoint: Endpoint, incoming: Incoming, counter: keyof Counters, code: number, why: string): Fate {
    endpoint.counters[counter] += 1;
    endpoint.errors += 1;
    endpoint.lastError = `${code}:${headerText(why)}`;
    this.#send(endpoint, incoming, "", { [HEADER.error]: headerText(why), [HEADER.errorCode]: String(code) });
    return counter;
  }

  #send(endpoint: Endpoint, incoming: Incoming, payload: string, headers: Record<string, string>): boolean {
    try {
      incoming.reply(payload, { [HEADER.decider]: this.#settings.decider, ...headers });
      return true;
    } catch (error) {
      endpoint.counters.unsent += 1;
      endpoint.errors += 1;
      endpoint.lastError = headerText(messageOf(error));
      this.#settings.log.error("reply not sent", { class: endpoint.class, error: messageOf(error) });
      return false;
    }
  }
}

/** Unix ms; infinite when the query carries neither a deadline nor a budget. */
function wallDeadline(incoming: Incoming): number {
  const deadline = number(incoming.header(HEADER.deadline));
  if (deadline !== undefined) return deadline;
  const budget = number(incoming.header(HEADER.budgetMs));
  return budget === undefined ? Infinity : Date.now() + budget;
}

function askedOf(query: Query, incoming: Incoming, deadline: number) {
  const traceparent = incoming.header(HEADER.traceparent);
  return {
    id: incoming.header(HEADER.id) ?? query.id,
    attempt: number(incoming.header(HEADER.attempt)) ?? query.attempt,
    mode: incoming.header(HEADER.mode) ?? "live",
    deadline,
    ...(traceparent === undefined ? {} : { traceparent }),
  };
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

function readQuery(data: Uint8Array): Query {
  const query: unknown = JSON.parse(utf8.decode(data));
  if (typeof query !== "object" || query === null || Array.isArray(query)) throw new TypeError("not a JSON object");
  // Handlers lean on these without looking; everything else may be absent.
  for (const field of ["request_uri", "from", "to", "source"]) {
    const part = (query as Record<string, unknown>)[field];
    if (typeof part !== "object" || part === null) throw new TypeError(`"${field}" is missing`);
  }
  return query as Query;
}

function encode(reply: Reply): string {
  if (reply === undefined || reply === null) {
    throw new TypeError("the handler returned nothing; return pass() to leave it to the proxy's rules");
  }
  return JSON.stringify(reply);
}

function number(text: string | undefined): number | undefined {
  if (text === undefined || text === "") return undefined;
  const value = Number(text);
  return Number.isFinite(value) ? value : undefined;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
