import type { Address, Binding, Body, Class, Endpoint, Identity, Query, Tried, Uri } from "./contract.js";

/**
 * The request a decider is asked about: the query document with the names JavaScript uses.
 * What the proxy did not send is undefined; `query` is the document itself.
 */
export class Call {
  /** The document as it came. Unknown fields are kept. */
  readonly query: Query;

  constructor(query: Query) {
    this.query = query;
  }

  /** `invite`, `message`, `register` and so on. */
  get class(): Class {
    return this.query.class;
  }
  /** The SIP method. */
  get method(): string {
    return this.query.method;
  }
  /** Whose call it is; `default` unless the proxy serves several tenants. */
  get tenant(): string {
    return this.query.tenant;
  }
  /** The proxy that asks. */
  get node(): string {
    return this.query.node;
  }
  /** The Request-URI, as text and in parts. */
  get requestUri(): Uri {
    return this.query.request_uri;
  }
  /** The From header. */
  get from(): Address {
    return this.query.from;
  }
  /** The To header. */
  get to(): Address {
    return this.query.to;
  }
  /** The Contact headers; empty when there is none. */
  get contact(): readonly Address[] {
    return this.query.contact ?? [];
  }
  /** The Call-ID header. */
  get callId(): string {
    return this.query.call_id;
  }
  /** The number in the CSeq header. */
  get cseq(): number {
    return this.query.cseq;
  }
  /** Hops left. */
  get maxForwards(): number {
    return this.query.max_forwards;
  }
  /** The User-Agent header. */
  get userAgent(): string | undefined {
    return this.query.user_agent;
  }
  /** Where the request came from. */
  get source(): Endpoint {
    return this.query.source;
  }
  /** The proxy's socket it came in on. */
  get local(): Endpoint {
    return this.query.local;
  }
  /** The body, when the proxy is configured to send it. */
  get body(): Body | undefined {
    return this.query.body;
  }
  /** Who the caller was proven to be, when the proxy has authenticated the request. */
  get identity(): Identity | undefined {
    return this.query.identity;
  }
  /** Registered contacts of the called user, when the proxy is configured to send them. */
  get bindings(): readonly Binding[] {
    return this.query.bindings ?? [];
  }
  /** What was tried and failed, when the proxy asks again. */
  get tried(): readonly Tried[] {
    return this.query.tried ?? [];
  }

  /** The first value of a header that the proxy is configured to send; the name in any case. */
  header(name: string): string | undefined {
    return this.headers(name)[0];
  }

  /** All values of such a header, in order; empty when there is none. */
  headers(name: string): readonly string[] {
    return this.query.headers?.[name.toLowerCase()] ?? [];
  }
}
