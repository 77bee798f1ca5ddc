import { createHash } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { Kvm } from "@nats-io/kv";
import { Objm, type ObjectStore } from "@nats-io/obj";
import type { NatsConnection } from "@nats-io/transport-node";
import type { Log } from "./log.js";

/** A row: its key and whatever else was pushed with it. */
export type Row = Readonly<Record<string, unknown>>;

/** A row that was found, and where. */
export interface Found<T extends Row = Row> {
  readonly row: T;
  /** `rates v3: prefix 4930`, for {@link Answer.because}. */
  readonly reason: string;
}

type Kind = "prefixes" | "numbers" | "gateways" | "schedules" | "users" | "kv";

const KEY_FIELDS: Record<Kind, readonly string[]> = {
  prefixes: ["prefix"],
  numbers: ["number"],
  gateways: ["set", "id"],
  schedules: ["name"],
  users: ["user"],
  kv: ["key"],
};

/** Symbols a prefix can have, at most; as in the proxy. */
const LONGEST = 16;
const RETRY_MS = 2_000;
/** A decider is heard of at least this often; the proxies' `/nodes` lists those of the last 35 seconds. */
const HEARTBEAT_MS = 10_000;

/** One version of a pushed table. Immutable. */
export class Table {
  readonly name: string;
  /** 0 for a table that is not there. */
  readonly version: number;
  readonly #kind: Kind;
  readonly #rows: ReadonlyMap<string, string>;

  /** Made by the SDK; rows are JSON texts by key. */
  constructor(name: string, version: number, kind: Kind, rows: ReadonlyMap<string, string>) {
    this.name = name;
    this.version = version;
    this.#kind = kind;
    this.#rows = rows;
  }

  /** How many rows it has. */
  get size(): number {
    return this.#rows.size;
  }

  /** The row with the longest prefix of `number`; in a table that is not of prefixes the row with this key. */
  longestPrefix<T extends Row = Row>(number: string | undefined): Found<T> | undefined {
    const digits = leadingDigits(number ?? "");
    if (this.#kind !== "prefixes") return this.get<T>(number ?? "");
    for (let length = Math.min(digits.length, LONGEST); length > 0; length -= 1) {
      const found = this.#found<T>(digits.slice(0, length));
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** The row with this key: a number in any spelling, or the text; of gateways `set/id`. */
  get<T extends Row = Row>(key: string): Found<T> | undefined {
    const isNumber = this.#kind === "prefixes" || this.#kind === "numbers";
    return this.#found<T>(isNumber ? key.replace(/^\+/, "") : key);
  }

  #found<T extends Row>(key: string): Found<T> | undefined {
    const text = this.#rows.get(key);
    if (text === undefined) return undefined;
    const field = KEY_FIELDS[this.#kind].join("/");
    return { row: JSON.parse(text) as T, reason: `${this.name} v${this.version}: ${field} ${key}` };
  }
}

/** What counts at one moment: tables by name. A table that is not there is an empty one. */
export type Snapshot = Readonly<Record<string, Table>>;

type Current = Map<string, { sha256: string; table: Table }>;

interface Manifest {
  revision: number;
  tables: Record<string, { kind: Kind; active?: number; versions: { number: number; sha256: string }[] }>;
}

/**
 * The tables that were pushed to the proxies, for a decider's handlers: give it to {@link Decider.follow}.
 *
 * `tables.now()` is a snapshot: whoever looks into several tables of one snapshot sees all of a release or nothing of it.
 */
export class Tables {
  #revision = 0;
  #current: Current = new Map();
  #snapshot: Snapshot = snapshotOf(this.#current);
  #changed: (() => void)[] = [];

  /** What counts now. Keep it for one call, not for the next. */
  now(): Snapshot {
    return this.#snapshot;
  }

  /** Grows with every change; 0 until something was read. */
  get revision(): number {
    return this.#revision;
  }

  /** Resolves once `revision` is there, for programs that must not answer before. */
  async until(revision: number): Promise<void> {
    while (this.#revision < revision) await new Promise<void>((resolve) => this.#changed.push(resolve));
  }

  /**
   * The SDK's side: follows what counts until `signal` fires.
   *
   * @param name this instance, as the proxies list it
   */
  async follow(nats: NatsConnection, prefix: string, name: string, log: Log, signal: AbortSignal): Promise<void> {
    const bucket = `${prefix.replaceAll(".", "_")}_tables`;
    let reported = false;
    while (!signal.aborted && !nats.isClosed()) {
      try {
        await this.#session(nats, bucket, name, log, signal);
        reported = false;
      } catch (error) {
        if (signal.aborted || nats.isClosed()) return;
        const message = error instanceof Error ? error.message : String(error);
        // Tables may be pushed later than deciders start.
        if (!reported) log.warn("no tables yet", { bucket, error: message });
        reported = true;
      }
      await delay(RETRY_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  async #session(nats: NatsConnection, bucket: string, name: string, log: Log, signal: AbortSignal): Promise<void> {
    const kv = await new Kvm(nats).open(bucket);
    const objects = await new Objm(nats).open(bucket);
    const say = async (): Promise<void> => {
      const applied = { revision: this.#revision, at_ms: Date.now() };
      await kv.put(`decider.${name}`, JSON.stringify(applied));
    };
    const changes = await kv.watch({ key: "manifest" });
    const stop = (): void => changes.stop();
    signal.addEventListener("abort", stop, { once: true });
    const heart = setInterval(() => void say().catch(() => undefined), HEARTBEAT_MS);
    heart.unref();
    try {
      for await (const change of changes) {
        if (change.operation !== "PUT") continue;
        await this.#apply(change.json<Manifest>(), objects, log);
        await say().catch((error: unknown) => log.debug("cannot say what is applied", { error: String(error) }));
      }
    } finally {
      clearInterval(heart);
      signal.removeEventListener("abort", stop);
    }
  }

  /** All of a manifest, or nothing of it. */
  async #apply(manifest: Manifest, objects: ObjectStore, log: Log): Promise<void> {
    const next: Current = new Map();
    for (const [name, entry] of Object.entries(manifest.tables)) {
      const active = entry.versions.find((version) => version.number === entry.active);
      if (active === undefined) continue;
      const known = this.#current.get(name);
      if (known !== undefined && known.sha256 === active.sha256 && known.table.version === active.number) {
        next.set(name, known);
        continue;
      }
      const rows = await load(objects, active.sha256, entry.kind);
      next.set(name, { sha256: active.sha256, table: new Table(name, active.number, entry.kind, rows) });
      log.info("table active", { table: name, version: active.number, rows: rows.size });
    }
    this.#current = next;
    this.#snapshot = snapshotOf(next);
    this.#revision = manifest.revision;
    for (const resolve of this.#changed.splice(0)) resolve();
  }

  /** For tests: these tables count from now on, by name, each a list of rows. */
  set(tables: Record<string, { kind: Kind; rows: Row[]; version?: number }>): this {
    const next: Current = new Map();
    for (const [name, { kind, rows, version = 1 }] of Object.entries(tables)) {
      const texts = new Map(rows.map((row) => [keyOf(kind, row), JSON.stringify(row)]));
      next.set(name, { sha256: "", table: new Table(name, version, kind, texts) });
    }
    this.#current = next;
    this.#snapshot = snapshotOf(next);
    this.#revision += 1;
    for (const resolve of this.#changed.splice(0)) resolve();
    return this;
  }
}

const NOTHING: ReadonlyMap<string, string> = new Map();

function snapshotOf(current: ReadonlyMap<string, { table: Table }>): Snapshot {
  return new Proxy(
    {},
    {
      get: (_, name) => (typeof name === "string" ? (current.get(name)?.table ?? new Table(name, 0, "kv", NOTHING)) : undefined),
      has: (_, name) => typeof name === "string" && current.has(name),
      ownKeys: () => [...current.keys()],
      getOwnPropertyDescriptor: (_, name) =>
        typeof name === "string" && current.has(name)
          ? { enumerable: true, configurable: true, value: current.get(name)?.table }
          : undefined,
    },
  );
}

async function load(objects: ObjectStore, sha256: string, kind: Kind): Promise<Map<string, string>> {
  const packed = await objects.getBlob(sha256);
  if (packed === null) throw new Error(`version ${sha256} is not there`);
  const text = await promisify(gunzip)(packed);
  const found = createHash("sha256").update(text).digest("hex");
  if (found !== sha256) throw new Error(`version ${sha256} is damaged: it is ${found}`);
  const rows = new Map<string, string>();
  for (const line of text.toString("utf8").split("\n")) {
    if (line !== "") rows.set(keyOf(kind, JSON.parse(line) as Row), line);
  }
  return rows;
}

function keyOf(kind: Kind, row: Row): string {
  return KEY_FIELDS[kind].map((field) => String(row[field]).replace(/^\+/, "")).join("/");
}

/** What a prefix can be compared with: the digits in front, without a plus sign. */
function leadingDigits(text: string): string {
  return /^\+?([0-9*#]*)/.exec(text)?.[1] ?? "";
}
