import type { NameAddr, Route } from "./contract.js";

/**
 * One target of a `route`: where the call goes and how long it may take. Made by {@link to}.
 *
 * Each method changes this target and returns it, so that they can be chained.
 */
export class Target {
  readonly #route: Route;

  constructor(route: Route) {
    this.#route = route;
  }

  /** The Request-URI the target will see; without it the request keeps its own. */
  uri(uri: string): this {
    this.#route.uri = uri;
    return this;
  }

  /** Milliseconds without any response before the next target is tried (`fr_timer`). */
  timeout(ms: number): this {
    this.#route.fr_timer = ms;
    return this;
  }

  /** Milliseconds without a final response to an INVITE before the next target is tried (`fr_inv_timer`). */
  ringTimeout(ms: number): this {
    this.#route.fr_inv_timer = ms;
    return this;
  }

  /** Sets a header on this branch alone, in place of all headers of that name. */
  header(name: string, value: string): this {
    const headers = (this.#route.headers ??= {});
    headers.set = { ...headers.set, [name]: value };
    return this;
  }

  /** Adds a header line to this branch and leaves others of that name alone. */
  addHeader(name: string, value: string): this {
    const headers = (this.#route.headers ??= {});
    headers.extra = `${headers.extra ?? ""}${name}: ${value}\r\n`;
    return this;
  }

  /** Removes every header of that name from this branch. */
  removeHeader(name: string): this {
    const headers = (this.#route.headers ??= {});
    headers.remove = [...(headers.remove ?? []), name];
    return this;
  }

  /** Display name and URI of the From header on this branch. */
  from(from: NameAddr): this {
    (this.#route.headers ??= {}).from = from;
    return this;
  }

  /** Display name and URI of the To header on this branch. */
  to(to: NameAddr): this {
    (this.#route.headers ??= {}).to = to;
    return this;
  }

  /** Route headers to put in front (RFC 3327 Path), e.g. `<sip:edge.example.net;lr>`. */
  path(path: string): this {
    this.#route.path = path;
    return this;
  }

  /** The proxy's own socket to send from, e.g. `udp:192.0.2.1:5060`. */
  socket(socket: string): this {
    this.#route.socket = socket;
    return this;
  }

  /** Targets of one group ring together; groups are tried in ascending order. */
  group(group: number): this {
    this.#route.group = group;
    return this;
  }

  /** Branch flags, a bit set that the proxy's rules may look at. */
  flags(flags: number): this {
    this.#route.branch_flags = flags;
    return this;
  }

  /** A gateway set of the proxy's configuration instead of an address. */
  gateways(name: string): this {
    this.#route.gateways = name;
    return this;
  }

  /** The target as it stands in the document. */
  toJSON(): Route {
    return structuredClone(this.#route);
  }
}

/**
 * A target.
 *
 * @param destination the next hop as a SIP URI, e.g. `sip:192.0.2.20:5060;transport=udp`
 *   (`dst_uri`; the Request-URI stays). Leave it out and name a {@link Target.uri} to go where the URI points.
 */
export function to(destination?: string): Target {
  return new Target(destination === undefined ? {} : { dst_uri: destination });
}
