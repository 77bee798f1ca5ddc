import { setTimeout as delay } from "node:timers/promises";
import { connect, errors, type ConnectionOptions, type NatsConnection } from "@nats-io/transport-node";
import type { Resolved } from "./settings.js";

const FIRST_RETRY_MS = 250;
const LONGEST_RETRY_MS = 2_000;

/**
 * Connects to NATS and stays connected. Waits for a server that is not there yet, as long as it takes.
 *
 * @param signal gives up waiting
 * @throws {errors.AuthorizationError} when the server refuses the credentials: waiting would not help
 */
export async function connectPatiently(name: string, settings: Resolved, signal: AbortSignal): Promise<NatsConnection> {
  const { log } = settings;
  const options = connectionOptions(name, settings);
  const servers = settings.servers.map(withoutCredentials).join(",");
  for (let attempt = 0; ; attempt += 1) {
    signal.throwIfAborted();
    try {
      const nats = await connect(options);
      log.info("connected to NATS", { server: nats.getServer(), version: nats.info?.version });
      void follow(nats, settings);
      return nats;
    } catch (error) {
      if (error instanceof errors.AuthorizationError || error instanceof errors.UserAuthenticationExpiredError) throw error;
      if (attempt === 0) log.warn("waiting for NATS", { servers, error: error instanceof Error ? error.message : error });
      await delay(Math.min(FIRST_RETRY_MS * 2 ** attempt, LONGEST_RETRY_MS), undefined, { signal });
    }
  }
}

/** One line for each time the connection goes and each time it comes back. */
async function follow(nats: NatsConnection, { log }: Resolved): Promise<void> {
  for await (const status of nats.status()) {
    switch (status.type) {
      case "disconnect":
        if (!nats.isClosed() && !nats.isDraining()) log.warn("NATS connection lost, reconnecting", { server: status.server });
        break;
      case "reconnect":
        log.info("NATS connection is back", { server: status.server });
        break;
      case "error":
        log.error("NATS refused something", { error: status.error.message });
        break;
      case "ldm":
        log.info("NATS server is in lame duck mode", { server: status.server });
        break;
      default:
        log.debug("NATS", { status: status.type });
    }
  }
}

function connectionOptions(name: string, settings: Resolved): ConnectionOptions {
  return {
    name,
    // For what JetStream answers; the permissions of the contract allow it.
    inboxPrefix: "_INBOX_decider",
    timeout: 5_000,
    // Every call of an outage falls back, so come back fast and notice a dead connection in seconds.
    reconnectTimeWait: 250,
    pingInterval: 5_000,
    maxReconnectAttempts: -1,
    ignoreAuthErrorAbort: true,
    ...fromUrl(settings.servers),
    ...settings.connection,
  };
}

/** `nats://user:secret@host`, `nats://token@host` and `tls://host`, which the client library leaves to its user. */
function fromUrl(servers: readonly string[]): ConnectionOptions {
  const options: ConnectionOptions = { servers: servers.map(withoutCredentials) };
  for (const server of servers) {
    const [, credentials] = /^(?:[a-z]+:\/\/)?([^@/]*)@/.exec(server) ?? [];
    if (credentials !== undefined) {
      const [user, pass] = credentials.split(":", 2).map(decodeURIComponent);
      if (pass === undefined) options.token = user ?? "";
      else Object.assign(options, { user, pass });
    }
    if (server.startsWith("tls://")) options.tls = {};
  }
  return options;
}

function withoutCredentials(server: string): string {
  return server.replace(/^([a-z]+:\/\/)?[^@/]*@/, "$1");
}
