import { headers as natsHeaders, type Msg, type NatsConnection, type Subscription } from "@nats-io/transport-node";
import { connectPatiently } from "./connection.js";
import { Dispatcher, Endpoint, type Counters, type Handler, type Incoming } from "./dispatch.js";
import { ServiceResponder, type Served } from "./service.js";
import { resolve, SettingError, type Resolved, type Settings } from "./settings.js";
import type { Tables } from "./tables.js";
import { VERSION } from "./version.js";

/** The classes of request that a proxy asks about. */
export const CLASSES = ["invite", "register", "message", "subscribe", "publish", "options", "refer", "other"] as const;
/** See {@link CLASSES}. */
export type Class = (typeof CLASSES)[number];

/** The queue group that all deciders share, so that each query reaches one of them. */
export const QUEUE_GROUP = "deciders";

/** How long the last replies may take to leave when the decider stops, in milliseconds. */
const LAST_FLUSH_MS = 1_000;

const NAME = /^[A-Za-z0-9_-]+$/;
const SEMVER = /^\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?$/;

/**
 * A decider: one handler for each class of request it answers.
 *
 * @param name as a NATS service: letters, digits, `-` and `_`
 * @param version semantic version
 * @throws {SettingError} when either is not that
 */
export function decider(name: string, version: string, description = ""): Decider {
  return new Decider(name, version, description);
}

/** Made by {@link decider}. */
export class Decider {
  readonly name: string;
  readonly version: string;
  readonly description: string;
  /** What each class is answered with. */
  readonly endpoints = new Map<Class, Endpoint>();
  /** See {@link Decider.follow}. */
  tables: Tables | undefined;

  constructor(name: string, version: string, description = "") {
    if (!NAME.test(name)) throw new SettingError(`decider name "${name}": only letters, digits, - and _`);
    if (!SEMVER.test(version)) throw new SettingError(`decider version "${version}": must be like 1.0.0`);
    this.name = name;
    this.version = version;
    this.description = description;
  }

  /** Has `tables` hold what is pushed to the proxies, from when the decider runs. It goes on without when nothing is. */
  follow(tables: Tables): this {
    this.tables = tables;
    return this;
  }

  /** `name/version`, as replies carry it in `Sigbox-Decider`. */
  get label(): string {
    return `${this.name}/${this.version}`;
  }

  /**
   * Answers one class of request.
   *
   * @throws {SettingError} for an unknown class, or one that has its handler already
   */
  on(classOf: Class, handler: Handler): this {
    if (!CLASSES.includes(classOf)) throw new SettingError(`class "${classOf}": one of ${CLASSES.join(", ")}`);
    if (this.endpoints.has(classOf)) throw new SettingError(`class "${classOf}" has a handler already`);
    this.endpoints.set(classOf, new Endpoint(classOf, handler));
    return this;
  }

  /**
   * The main function of a decider program: connects, answers until SIGTERM or SIGINT, finishes what is in
   * hand, and exits 0. A second signal exits at once. What cannot work is said on the log and exits 1.
   */
  async run(settings: Settings = {}): Promise<never> {
    const stop = new AbortController();
    const onSignal = (): void => {
      if (stop.signal.aborted) process.exit(1);
      stop.abort();
    };
    process.on("SIGTERM", onSignal).on("SIGINT", onSignal);
    let resolved: Resolved | undefined;
    try {
      resolved = resolve(settings);
      const running = await this.#start(resolved, stop.signal);
      stop.signal.addEventListener("abort", () => void running.stop(), { once: true });
      if (stop.signal.aborted) await running.stop();
      await running.stopped;
      process.exit(0);
    } catch (error) {
      if (stop.signal.aborted) process.exit(0);
      const message = error instanceof Error ? error.message : String(error);
      if (resolved === undefined) process.stderr.write(`${this.name}: ${message}\n`);
      else resolved.log.error(message);
      process.exit(1);
    }
  }

  /**
   * The same inside a program of your own: no signals are taken and nothing exits.
   *
   * @param signal gives up waiting for NATS; once running, call {@link Running.stop}
   */
  async start(settings: Settings = {}, signal: AbortSignal = new AbortController().signal): Promise<Running> {
    return await this.#start(resolve(settings), signal);
  }

  async #start(settings: Resolved, signal: AbortSignal): Promise<Running> {
    if (this.endpoints.size === 0) throw new SettingError(`decider "${this.name}" answers nothing: add .on("invite", ...)`);
    const nats = await connectPatiently(this.label, settings, signal);
    const running = new Running(this, nats, settings);
    // The subscriptions have reached the server when this returns: whoever asks now is answered. If the connection
    // goes in between, the client subscribes again when it is back; if it was closed for good, the flush never ends.
    await Promise.race([nats.flush().catch(() => undefined), running.stopped]);
    settings.log.info("ready", {
      decider: this.label,
      classes: [...this.endpoints.keys()].join(","),
      prefix: settings.prefix,
      tenant: settings.tenant,
      id: running.id,
    });
    return running;
  }
}

/** A decider at work. */
export class Running {
  /** Resolves once it has stopped; rejects if NATS closed the connection or refused a subscription. */
  readonly stopped: Promise<void>;
  readonly #nats: NatsConnection;
  readonly #settings: Resolved;
  readonly #dispatcher: Dispatcher;
  readonly #service: ServiceResponder;
  readonly #decider: Decider;
  readonly #queries: Subscription[];
  readonly #stopped = new AbortController();
  #stopping: Promise<void> | undefined;

  constructor(decider: Decider, nats: NatsConnection, settings: Resolved) {
    this.#nats = nats;
    this.#settings = settings;
    this.#decider = decider;
    this.#dispatcher = new Dispatcher({
      decider: decider.label,
      concurrency: settings.concurrency,
      maxReplyBytes: settings.maxReplyBytes,
      log: settings.log,
    });
    const served = [...decider.endpoints.values()].map(
      (endpoint): Served => ({
        endpoint,
        subject: `${settings.prefix}.v1.query.${settings.tenant}.${endpoint.class}`,
        queue: QUEUE_GROUP,
      }),
    );
    this.#service = new ServiceResponder(
      {
        name: decider.name,
        version: decider.version,
        description: decider.description,
        metadata: { sigbox: "decider", classes: [...decider.endpoints.keys()].join(","), sdk: `node/${VERSION}` },
      },
      served,
    );
    nats.subscribe(`${settings.prefix}.v1.event.cancelled.${settings.tenant}`, {
      callback: (error, message) => {
        if (error === null) this.#onCancelled(message);
      },
    });
    this.#queries = served.map(({ endpoint, subject, queue }) =>
      nats.subscribe(subject, {
        queue,
        callback: (error, message) => {
          if (error === null) void this.#dispatcher.serve(endpoint, incomingOf(message));
        },
      }),
    );
    this.#service.listen(nats);
    const { prefix, log } = settings;
    void decider.tables?.follow(nats, prefix, `${decider.name}-${this.#service.id}`, log, this.#stopped.signal);
    this.stopped = this.#untilClosed();
    // Whoever awaits it hears of it; nobody else's process should die of an unhandled rejection.
    this.stopped.catch(() => undefined);
  }

  /** This instance as a NATS service. */
  get id(): string {
    return this.#service.id;
  }

  /** Queries being decided now. */
  get inHand(): number {
    return this.#dispatcher.inHand;
  }

  /** What happened to the queries, by class. */
  counters(): Record<string, Readonly<Counters>> {
    return Object.fromEntries([...this.#decider.endpoints.values()].map((endpoint) => [endpoint.class, { ...endpoint.counters }]));
  }

  /**
   * Takes no more queries, finishes those in hand within `drainMs`, and closes the connection. Queries
   * that are still being decided then are answered 503, so that their calls fall back.
   */
  stop(): Promise<void> {
    return (this.#stopping ??= this.#drain());
  }

  async #drain(): Promise<void> {
    const { log, drainMs } = this.#settings;
    log.info("draining", { in_hand: this.inHand });
    this.#stopped.abort();
    this.#service.close();
    const drained = Promise.all(this.#queries.map((subscription) => subscription.drain().catch(() => undefined))).then(() =>
      this.#dispatcher.idle(),
    );
    if (!(await settlesWithin(drainMs, drained))) {
      log.warn("stopped with queries in hand", { in_hand: this.inHand });
      this.#dispatcher.stop();
    }
    // Without a server there is nothing to hand the last replies to, and the flush would wait for one.
    await settlesWithin(LAST_FLUSH_MS, this.#nats.flush().catch(() => undefined));
    await this.#nats.close();
    log.info("stopped", { decider: this.#decider.label });
  }

  #onCancelled(message: Msg): void {
    try {
      const { id } = message.json<{ id?: unknown }>();
      if (typeof id === "string") this.#dispatcher.cancel(id);
    } catch (error) {
      this.#settings.log.debug("unreadable event", { subject: message.subject, error: String(error) });
    }
  }

  async #untilClosed(): Promise<void> {
    // A decider that may not hear queries is of no use; without $SRV or the cancelled events it still is.
    const refused = this.#queries.map(async (subscription) => {
      const error = await subscription.closed;
      if (error instanceof Error) throw new Error(`NATS refused ${subscription.getSubject()}: ${error.message}`);
      return await new Promise<never>(() => undefined);
    });
    try {
      const error = await Promise.race([this.#nats.closed(), ...refused]);
      if (error instanceof Error) throw new Error(`NATS connection closed: ${error.message}`);
    } catch (error) {
      if (this.#stopping === undefined) await this.#nats.close();
      throw error;
    }
    await this.#stopping;
  }
}

/** Whether `work` ends in this time. */
async function settlesWithin(ms: number, work: Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), ms);
  });
  try {
    return await Promise.race([work.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}

function incomingOf(message: Msg): Incoming {
  return {
    header: (name) => message.headers?.get(name) || undefined,
    data: message.data,
    reply: (payload, fields) => {
      const headers = natsHeaders();
      for (const [name, value] of Object.entries(fields)) headers.set(name, value);
      message.respond(payload, { headers });
    },
  };
}
