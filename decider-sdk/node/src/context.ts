import { type Log, withFields } from "./log.js";

/** Why {@link Context.signal} fired: the answer is no longer wanted. */
export class Withdrawn extends Error {
  override name = "Withdrawn";
  /** `deadline`: the proxy has fallen back. `cancelled`: the caller has hung up. `stopped`: this decider is going down. */
  readonly why: "deadline" | "cancelled" | "stopped";

  constructor(why: "deadline" | "cancelled" | "stopped") {
    super(WITHDRAWN[why]);
    this.why = why;
  }
}

const WITHDRAWN = {
  deadline: "the deadline of the query has passed",
  cancelled: "the caller has cancelled the request",
  stopped: "the decider is stopping",
};

/** What the query's headers say about it. */
export interface Asked {
  /** Decision id, the same over all attempts for one transaction (`Sigbox-Id`). */
  id: string;
  /** 1 for the first time the proxy asks about this transaction (`Sigbox-Attempt`). */
  attempt: number;
  /** `live`, `shadow`, `canary`, `simulate` or `replay` (`Sigbox-Mode`). */
  mode: string;
  /** Unix time in milliseconds after which nobody waits any more; infinite when the query does not say. */
  deadline: number;
  /** W3C trace context of the query, for whoever traces (`traceparent`). */
  traceparent?: string;
}

/** setTimeout's longest delay; a longer one would fire at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** One query being decided: its deadline, its cancellation, its log. */
export class Context implements Asked {
  readonly id: string;
  readonly attempt: number;
  readonly mode: string;
  readonly traceparent?: string;
  readonly #log: Log;
  readonly #sendExtend: (ms: number) => void;
  #deadline: number;
  #withdrawn: Withdrawn | undefined;
  #abort: AbortController | undefined;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  /** Made by the SDK and by the test harness. */
  constructor(asked: Asked, log: Log, sendExtend: (ms: number) => void) {
    this.id = asked.id;
    this.attempt = asked.attempt;
    this.mode = asked.mode;
    if (asked.traceparent !== undefined) this.traceparent = asked.traceparent;
    this.#deadline = asked.deadline;
    this.#log = log;
    this.#sendExtend = sendExtend;
  }

  /** The log with the decision id on every line. */
  get log(): Log {
    return withFields(this.#log, { id: this.id });
  }

  /** Unix time in milliseconds. Moves when {@link extend} is called. */
  get deadline(): number {
    return this.#deadline;
  }

  /** Milliseconds until the proxy stops waiting; 0 once it has. */
  get remainingMs(): number {
    return Math.max(0, this.#deadline - Date.now());
  }

  /**
   * Fires when nobody wants the answer any more; its `reason` is a {@link Withdrawn}.
   * Hand it to `fetch` and the like, so that work for a lost call stops.
   */
  get signal(): AbortSignal {
    // Made when first asked for: most handlers answer at once and need neither controller nor timer.
    if (this.#abort === undefined) {
      this.#abort = new AbortController();
      if (this.withdrawn !== undefined) this.#abort.abort(this.#withdrawn);
      else this.#arm();
    }
    return this.#abort.signal;
  }

  /** Why the answer is no longer wanted, or undefined while it is. */
  get withdrawn(): Withdrawn | undefined {
    if (this.#withdrawn === undefined && Date.now() >= this.#deadline) {
      this.#withdrawn = new Withdrawn("deadline");
    }
    return this.#withdrawn;
  }

  /**
   * Asks the proxy to wait `ms` milliseconds from now, and goes on deciding. The proxy grants it within
   * what its configuration allows; `deadline` moves as if it had.
   */
  extend(ms: number): void {
    if (!Number.isInteger(ms) || ms <= 0) throw new RangeError(`extend(${ms}): must be a whole number of milliseconds above 0`);
    if (this.#closed || this.withdrawn !== undefined) return;
    this.#sendExtend(ms);
    this.#deadline = Math.max(this.#deadline, Date.now() + ms);
    if (this.#abort !== undefined) this.#arm();
  }

  /** The SDK's side: nobody wants the answer any more. */
  withdraw(why: Withdrawn["why"]): void {
    if (this.#closed || this.#withdrawn !== undefined) return;
    this.#withdrawn = new Withdrawn(why);
    clearTimeout(this.#timer);
    this.#abort?.abort(this.#withdrawn);
  }

  /** The SDK's side: the handler is done, its timer goes. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  #arm(): void {
    clearTimeout(this.#timer);
    if (this.#closed) return;
    const remaining = this.#deadline - Date.now();
    if (remaining > LONGEST_TIMER_MS) return;
    // Timers fire up to a millisecond early; a second look keeps `signal` and `deadline` in agreement.
    this.#timer = setTimeout(() => (this.#deadline > Date.now() ? this.#arm() : this.withdraw("deadline")), remaining);
  }
}
