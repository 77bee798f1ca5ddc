import { nuid, type NatsConnection, type Subscription } from "@nats-io/transport-node";
import type { Endpoint } from "./dispatch.js";

/** What a NATS service says about itself. */
export interface ServiceIdentity {
  /** `[A-Za-z0-9_-]+` */
  name: string;
  /** Semantic version. */
  version: string;
  description: string;
  metadata: Record<string, string>;
}

/** An endpoint with the subject it listens on. */
export interface Served {
  endpoint: Endpoint;
  subject: string;
  queue: string;
}

/**
 * Answers `$SRV.PING`, `$SRV.INFO` and `$SRV.STATS`, each also with `.<name>` and `.<name>.<id>`:
 * NATS services as ADR-32 has them, so that `nats service list` and sigbox see the decider.
 */
export class ServiceResponder {
  readonly #identity: ServiceIdentity & { id: string };
  readonly #served: readonly Served[];
  readonly #started = new Date().toISOString();
  #subscriptions: Subscription[] = [];

  constructor(identity: ServiceIdentity, served: readonly Served[], id: string = nuid.next()) {
    this.#identity = { ...identity, id };
    this.#served = served;
  }

  /** Unique to this process. */
  get id(): string {
    return this.#identity.id;
  }

  /** Subscribes; every instance answers, so there is no queue group. */
  listen(nats: NatsConnection): void {
    const { name, id } = this.#identity;
    const verbs = { PING: () => this.ping(), INFO: () => this.info(), STATS: () => this.stats() };
    this.#subscriptions = Object.entries(verbs).flatMap(([verb, answer]) =>
      [`$SRV.${verb}`, `$SRV.${verb}.${name}`, `$SRV.${verb}.${name}.${id}`].map((subject) =>
        nats.subscribe(subject, {
          callback: (error, message) => {
            if (error === null) message.respond(JSON.stringify(answer()));
          },
        }),
      ),
    );
  }

  /** Stops answering, first of all when going down: nobody should count on this instance any more. */
  close(): void {
    for (const subscription of this.#subscriptions.splice(0)) subscription.unsubscribe();
  }

  ping(): object {
    const { name, id, version, metadata } = this.#identity;
    return { type: "io.nats.micro.v1.ping_response", name, id, version, metadata };
  }

  info(): object {
    return {
      ...this.ping(),
      type: "io.nats.micro.v1.info_response",
      description: this.#identity.description,
      endpoints: this.#served.map(({ endpoint, subject, queue }) => ({
        name: endpoint.class, subject, queue_group: queue, metadata: { class: endpoint.class },
      })),
    };
  }

  stats(): object {
    return {
      ...this.ping(),
      type: "io.nats.micro.v1.stats_response",
      started: this.#started,
      endpoints: this.#served.map(({ endpoint, subject, queue }) => ({
        name: endpoint.class,
        subject,
        queue_group: queue,
        num_requests: endpoint.requests,
        num_errors: endpoint.errors,
        last_error: endpoint.lastError,
        processing_time: Number(endpoint.processingNs),
        average_processing_time: endpoint.requests === 0 ? 0 : Number(endpoint.processingNs / BigInt(endpoint.requests)),
        data: endpoint.counters,
      })),
    };
  }
}
