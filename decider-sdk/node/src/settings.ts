import type { ConnectionOptions } from "@nats-io/transport-node";
import { lineLog, type Log } from "./log.js";

/** How a decider runs. Everything has a default; code wins over the environment. */
export interface Settings {
  /** NATS addresses, e.g. `nats://127.0.0.1:4222`; several are separated by commas. Environment: `NATS_URL`. */
  servers?: string | string[];
  /** What every subject begins with. Environment: `SIGBOX_PREFIX`; default `sigbox`. */
  prefix?: string;
  /** The tenant whose queries are answered; `*` is all of them. Environment: `SIGBOX_TENANT`; default `*`. */
  tenant?: string;
  /** Queries in hand at once, over all classes; the next one is answered 503. Default 256. */
  concurrency?: number;
  /** How long a drain waits for handlers that are still deciding, in milliseconds. Default 10,000. */
  drainMs?: number;
  /** Largest decision that is sent, in bytes. Default 65,536, the cap of the proxy. */
  maxReplyBytes?: number;
  /** Anything else for the NATS connection: credentials, TLS. */
  connection?: ConnectionOptions;
  /** Where the SDK writes; lines on standard error by default, level from `SIGBOX_LOG`. */
  log?: Log;
}

/** Settings with every default filled in. */
export interface Resolved {
  servers: string[];
  prefix: string;
  tenant: string;
  concurrency: number;
  drainMs: number;
  maxReplyBytes: number;
  connection: ConnectionOptions;
  log: Log;
}

/** Thrown for a setting that cannot work; the message names the setting and what it may be. */
export class SettingError extends Error {
  override name = "SettingError";
}

const SLUG = /^[a-z0-9_-]{1,63}$/;

/**
 * Fills in defaults and refuses what could not work.
 *
 * @throws {SettingError} on a prefix or tenant that is no slug, or a limit that is no positive number
 */
export function resolve(settings: Settings, env: NodeJS.ProcessEnv = process.env): Resolved {
  const prefix = settings.prefix ?? (env["SIGBOX_PREFIX"] || "sigbox");
  const tenant = settings.tenant ?? (env["SIGBOX_TENANT"] || "*");
  if (!prefix.split(".").every((token) => SLUG.test(token))) {
    throw new SettingError(
      `prefix "${prefix}": only a-z, 0-9, _ and -, parts joined by dots (set by SIGBOX_PREFIX or in code)`,
    );
  }
  if (tenant !== "*" && !SLUG.test(tenant)) {
    throw new SettingError(
      `tenant "${tenant}": only a-z, 0-9, _ and -, or * for all (set by SIGBOX_TENANT or in code)`,
    );
  }
  const servers = settings.servers ?? (env["NATS_URL"] || "nats://127.0.0.1:4222");
  return {
    servers: Array.isArray(servers) ? servers : servers.split(",").map((url) => url.trim()),
    prefix,
    tenant,
    concurrency: positive("concurrency", settings.concurrency ?? 256),
    drainMs: positive("drainMs", settings.drainMs ?? 10_000),
    maxReplyBytes: positive("maxReplyBytes", settings.maxReplyBytes ?? 65_536),
    connection: settings.connection ?? {},
    log: settings.log ?? lineLog(),
  };
}

function positive(name: string, value: number): number {
  if (Number.isInteger(value) && value > 0) return value;
  throw new SettingError(`${name} ${value}: must be a whole number above 0`);
}
