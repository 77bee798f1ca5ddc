/* Generated from contracts/schema by scripts/generate-types.js. Do not edit. */

/**
 * What is asked about; the last token of a query subject. Requests inside a dialog, ACK and CANCEL have no class: they never go to a decider.
 */
export type Class =
  "invite" | "register" | "message" | "subscribe" | "publish" | "options" | "refer" | "other" | "credentials";
/**
 * How an identity was proven.
 */
export type Proof = "digest" | "tls" | "xkey";
/**
 * Transport protocol of a SIP message.
 */
export type Transport = "udp" | "tcp" | "tls" | "ws" | "wss";
/**
 * What to do with the request.
 */
export type Action = "route" | "reject" | "redirect" | "pass" | "extend";
/**
 * When to try again, in milliseconds: a time, or a range to draw one from.
 */
export type RetryAfter =
  | number
  | {
      max: number;
      min: number;
    };
/**
 * Whether routes are tried one after the other or at once.
 */
export type Routing = "serial" | "parallel";
/**
 * A final status (`408`) or a class of them (`"5xx"`).
 */
export type StatusMatch = number | ("3xx" | "4xx" | "5xx" | "6xx");
/**
 * Why local rules decided.
 */
export type Cause =
  | "timeout"
  | "no_responders"
  | "disconnected"
  | "congested"
  | "circuit_open"
  | "invalid"
  | "service_error"
  | "capacity"
  | "pass"
  | "rule";
/**
 * Why the state of a gateway changed.
 */
export type GatewayReason = "answered" | "timeout" | "status" | "unreachable" | "unresolved" | "recovered" | "operator";
/**
 * Whether a gateway is used.
 */
export type GatewayState = "active" | "trying" | "inactive" | "disabled";
/**
 * State of a proxy.
 */
export type NodeState = "started" | "draining" | "stopped";
/**
 * Who decided a suspended transaction.
 */
export type Outcome = "decided" | "fallback" | "cached" | "cancelled";
/**
 * A document on `<prefix>.v1.event.<kind>.<tenant>`; the field `event` says which.
 */
export type Event =
  | ({event: "decision"} & DecisionEvent)
  | ({event: "cancelled"} & CancelledEvent)
  | ({event: "transaction"} & TransactionEvent)
  | ({event: "node"} & NodeEvent)
  | ({event: "gateway"} & GatewayEvent)
  | ({event: "audit"} & AuditEvent);

/**
 * A From, To or Contact value.
 */
export interface Address {
  /**
   * Display name, without quotes.
   */
  display?: string;
  /**
   * Header parameters other than the tag, names in lower case; a parameter without a value is `""`.
   */
  params?: {
    [k: string]: string;
  };
  /**
   * The tag, on From.
   */
  tag?: string;
  /**
   * The URI.
   */
  uri: Uri;
}
/**
 * A registered contact.
 */
export interface Binding {
  /**
   * Time until it expires, in milliseconds.
   */
  expires_ms: number;
  /**
   * Preference, 0 to 1 (RFC 3261 §20.10).
   */
  q: number;
  /**
   * Contact URI.
   */
  uri: string;
}
/**
 * A message body.
 */
export interface Body {
  /**
   * The body as text; bytes that are not UTF-8 are replaced.
   */
  text: string;
  /**
   * The text was shortened.
   */
  truncated?: boolean;
  /**
   * Content-Type in lower case, without parameters.
   */
  type: string;
}
/**
 * One end of a transport: address, port and protocol.
 */
export interface Endpoint {
  /**
   * IPv4 or IPv6 address, without brackets.
   */
  ip: string;
  /**
   * Port.
   */
  port: number;
  /**
   * What TLS told about the peer.
   */
  tls?: Tls;
  /**
   * Transport protocol.
   */
  transport: Transport;
}
/**
 * Who the caller was proven to be.
 */
export interface Identity {
  /**
   * How it was proven.
   */
  how: Proof;
  /**
   * Digest realm, or the domain the identity belongs to.
   */
  realm?: string;
  /**
   * User name.
   */
  user: string;
}
/**
 * What TLS told about the peer.
 */
export interface Tls {
  /**
   * Subject of the peer's verified certificate.
   */
  subject?: string;
}
/**
 * A route of an earlier decision and how it ended.
 */
export interface Tried {
  /**
   * Where it said the callee is, when it answered 3xx and `sip.redirects` is `ask`.
   */
  contacts?: string[];
  /**
   * Where it was sent, when that differs from `uri`.
   */
  dst_uri?: string;
  /**
   * The gateway that it was sent to, when a gateway set chose it: `<set>/<id>`.
   */
  gateway?: string;
  /**
   * Reason phrase.
   */
  reason?: string;
  /**
   * Final SIP status; 408 when nobody answered.
   */
  status: number;
  /**
   * Time from sending to the final status, in milliseconds.
   */
  took_ms: number;
  /**
   * The Request-URI that was sent.
   */
  uri: string;
}
/**
 * A URI: as it was written, and taken apart.
 */
export interface Uri {
  /**
   * Host in lower case; IPv6 without brackets. Absent for `tel`.
   */
  host?: string;
  /**
   * URI parameters, names in lower case; a parameter without a value is `""`.
   */
  params?: {
    [k: string]: string;
  };
  /**
   * Port, when written.
   */
  port?: number;
  /**
   * Scheme in lower case: sip, sips or tel; others can appear in From and To.
   */
  scheme: string;
  /**
   * The URI as it was written.
   */
  text: string;
  /**
   * User part with escapes resolved, without a password; for `tel` the number.
   */
  user?: string;
}
/**
 * A routing query: one SIP request outside a dialog, taken apart, whose transaction is suspended until the answer arrives or the budget is used up.
 *
 * `headers`, `body`, `identity`, `bindings` are there only as the proxy is configured. A query is capped (64 kB by default): what did not fit is listed in `cut`.
 */
export interface Query {
  /**
   * How often this transaction has asked, starting at 1. From the second time on, `tried` says what failed.
   */
  attempt: number;
  /**
   * Registered contacts of the Request-URI, best first.
   */
  bindings?: Binding[];
  /**
   * Message body, when configured.
   */
  body?: Body;
  /**
   * How long the proxy waits for the answer, in milliseconds from the moment it asked.
   */
  budget_ms: number;
  /**
   * Call-ID.
   */
  call_id: string;
  /**
   * What is asked about, as in the subject.
   */
  class: Class;
  /**
   * Contacts, in order.
   */
  contact?: Address[];
  /**
   * Sequence number of CSeq.
   */
  cseq: number;
  /**
   * Names of the fields (`headers`, `body`, ...) that were left out or shortened to keep the query under its cap.
   */
  cut?: string[];
  /**
   * Always `sip-routing`.
   */
  event: string;
  /**
   * From: who says to be calling. Not verified; see `identity`.
   */
  from: Address;
  /**
   * Configured headers by lower-case long name, each with its values in order of appearance.
   */
  headers?: {
    [k: string]: string[];
  };
  /**
   * Decision id (UUIDv7), the same in the `Sigbox-Id` header, in events and in the proxy's logs.
   */
  id: string;
  /**
   * Who the caller was proven to be.
   */
  identity?: Identity;
  /**
   * The listener of the proxy that received it.
   */
  local: Endpoint;
  /**
   * Max-Forwards as it will be forwarded.
   */
  max_forwards: number;
  /**
   * SIP method, for example `INVITE`.
   */
  method: string;
  /**
   * Name of the proxy that asks.
   */
  node: string;
  /**
   * Request-URI: who is wanted.
   */
  request_uri: Uri;
  /**
   * Where the request came from.
   */
  source: Endpoint;
  /**
   * Tenant, as in the subject.
   */
  tenant: string;
  /**
   * To: who was dialled at first.
   */
  to: Address;
  /**
   * Routes of earlier decisions for this transaction and how they ended.
   */
  tried?: Tried[];
  /**
   * User-Agent.
   */
  user_agent?: string;
  /**
   * Version of this document, `<major>.<minor>`.
   */
  version: string;
}
/**
 * Under which key, and for how long, a decision may be used again.
 */
export interface CacheHint {
  /**
   * Requests with the same key are routed alike.
   */
  key: string;
  /**
   * How long, in milliseconds.
   */
  ttl_ms: number;
}
/**
 * One target of a redirect.
 */
export interface Contact {
  /**
   * How long the redirect holds, in seconds as in the Contact header.
   */
  expires?: number;
  /**
   * Preference, 0 to 1 with at most three digits after the point (RFC 3261 §20.10).
   */
  q?: number;
  /**
   * Where to go (sip, sips or tel).
   */
  uri: string;
}
/**
 * Changes to the headers of a branch or of a response.
 *
 * Via, Route, Record-Route, Call-ID, CSeq, Content-Length, Max-Forwards, Max-Breadth, From and To cannot be written through `set`, `remove` and `extra`, whatever the case or compact form of their name.
 */
export interface HeaderEdits {
  /**
   * Complete header lines to add, each `Name: value\r\n`; the last `\r\n` may be missing.
   */
  extra?: string;
  /**
   * Changes display name and URI of From; the tag stays. Restored in responses and in-dialog requests.
   */
  from?: NameAddr;
  /**
   * Headers to take out, by name.
   */
  remove?: string[];
  /**
   * Headers to write, by name: every header of that name is replaced by one with this value.
   */
  set?: {
    [k: string]: string;
  };
  /**
   * Changes display name and URI of To; the tag stays.
   */
  to?: NameAddr;
}
/**
 * Display name and URI of From or To.
 */
export interface NameAddr {
  /**
   * Display name, without quotes; the proxy quotes it. `""` removes the name, absent keeps it.
   */
  display?: string;
  /**
   * URI (sip, sips or tel). Absent or `""` keeps it.
   */
  uri?: string;
}
/**
 * One branch of a call. An empty `uri`, `dst_uri`, `path`, `socket` or `gateways` is the same as none.
 */
export interface Route {
  /**
   * Flags of the branch, as a bit mask; shown in events and metrics.
   */
  branch_flags?: number;
  /**
   * Next hop (sip or sips). Absent sends to the Request-URI.
   */
  dst_uri?: string;
  /**
   * How long to wait for a final response to an INVITE, in milliseconds. Absent is the proxy's setting.
   */
  fr_inv_timer?: number;
  /**
   * How long to wait for a first response, in milliseconds. Absent is the proxy's setting.
   */
  fr_timer?: number;
  /**
   * Name of a gateway set of the proxy, which chooses the next hop in the place of `dst_uri`: its gateways are tried one after the other, or all at once, as the set says.
   */
  gateways?: string;
  /**
   * Routes with the same number are tried at once, lower numbers first. All routes of a decision have one, or none has.
   */
  group?: number;
  /**
   * Changes to the headers of this branch only.
   */
  headers?: HeaderEdits;
  /**
   * Route set put before the request's own, as a list of name-addr.
   */
  path?: string;
  /**
   * Listener of the proxy to send from, `<transport>:<address>:<port>`. Absent lets the proxy choose.
   */
  socket?: string;
  /**
   * Request-URI of this branch (sip, sips or tel). Absent keeps the one of the request.
   */
  uri?: string;
}
/**
 * A decision: what to do with one suspended request.
 *
 * An rtjson document as Kamailio's module takes it is a decision: it names no action and has routes. A document that names its action has the fields of that action only: one of another action is refused rather than ignored. Unknown fields are ignored.
 */
export interface Decision {
  /**
   * What to do. Absent is `route`.
   */
  action?: Action;
  /**
   * The decision may be used again for requests with the same key when no decider answers.
   */
  cache?: CacheHint;
  /**
   * For `redirect`: where the caller should go. At least one; at most 32 unless the proxy is configured otherwise.
   */
  contacts?: Contact[];
  /**
   * For `extend`: how much longer to wait, in milliseconds from now; the proxy has a bound of its own.
   */
  extend_ms?: number;
  /**
   * For `route`: final statuses that move on to the next route, like `408` or `"5xx"`. Absent: every final but 2xx and 6xx. Empty: none. A call the caller has cancelled never moves on.
   */
  failover?: StatusMatch[];
  /**
   * For `reject` and `redirect`: headers of the response; only `set` and `extra`.
   */
  headers?: HeaderEdits;
  /**
   * For `reject` and `redirect`: reason phrase. Absent is the usual one of the status.
   */
  reason?: string;
  /**
   * Why, in words for people: shown in events, logs and ladders, never sent to the caller.
   */
  reasons?: string[];
  /**
   * For `route`: ask again, with `tried`, when every route has failed.
   */
  requery?: boolean;
  /**
   * For `reject`: when to try again, in milliseconds; sent as Retry-After in whole seconds, rounded up. A range is drawn from for each call, so that callers do not come back all at once.
   */
  retry_after_ms?: RetryAfter;
  /**
   * For `route`: where the request goes, in order of preference. At least one; at most 32 unless the proxy is configured otherwise.
   */
  routes?: Route[];
  /**
   * For `route`: whether the routes are tried one after the other (`serial`, the default) or at once (`parallel`). When the routes carry a `group`, the groups say it and this field has no effect.
   */
  routing?: Routing;
  /**
   * For `reject`: SIP status, 400 to 699, required. For `redirect`: 300 to 399, absent is 302.
   */
  status?: number;
  /**
   * Version of this document, `<major>.<minor>`. Absent is `1.0`.
   */
  version?: string;
}
/**
 * An entry of the audit log of a proxy's HTTP API.
 */
export interface AuditEvent {
  /**
   * When, in Unix milliseconds.
   */
  at: number;
  /**
   * The name of the token or client; absent when nobody could be told.
   */
  by?: string;
  /**
   * Name of the proxy.
   */
  node: string;
  /**
   * What came of it.
   */
  outcome: string;
  /**
   * The revision of all tables after it, when it changed one.
   */
  revision?: number;
  /**
   * The table, when it was about one.
   */
  table?: string;
  /**
   * Tenant.
   */
  tenant: string;
  /**
   * Version of this document.
   */
  version: string;
  /**
   * What was asked for.
   */
  what: string;
}
/**
 * One branch of a transaction.
 */
export interface Branch {
  /**
   * The gateway that it was sent to, when a gateway set chose it: `<set>/<id>`.
   */
  gateway?: string;
  /**
   * Final status; 408 when nobody answered, 487 when it was cancelled.
   */
  status: number;
  /**
   * Where it was sent: `udp:192.0.2.20:5060`.
   */
  target: string;
  /**
   * Time from sending to the final status, in milliseconds.
   */
  took_ms: number;
  /**
   * Request-URI that was sent.
   */
  uri: string;
}
/**
 * A query was withdrawn: the caller hung up while it was open. An answer to it has no effect any more.
 */
export interface CancelledEvent {
  /**
   * When, in Unix milliseconds.
   */
  at: number;
  /**
   * Call-ID.
   */
  call_id: string;
  /**
   * Class of the query.
   */
  class: Class;
  /**
   * Decision id, as in the query.
   */
  id: string;
  /**
   * Name of the proxy.
   */
  node: string;
  /**
   * Tenant.
   */
  tenant: string;
  /**
   * Version of this document.
   */
  version: string;
}
/**
 * How a query ended.
 */
export interface DecisionEvent {
  /**
   * What is done: `route`, `reject`, `redirect`, `pass`. Absent when the caller gave up.
   */
  action?: string;
  /**
   * When, in Unix milliseconds.
   */
  at: number;
  /**
   * How often the transaction had asked, starting at 1.
   */
  attempt: number;
  /**
   * Call-ID.
   */
  call_id: string;
  /**
   * Why local rules decided; there when `outcome` is `fallback` or `cached`.
   */
  cause?: Cause;
  /**
   * Class of the query.
   */
  class: Class;
  /**
   * `<service name>/<version>` of the decider that answered, when it says so.
   */
  decider?: string;
  /**
   * More about the cause: the refusal of an invalid document, the text of a service error, the rule's name.
   */
  detail?: string;
  /**
   * Decision id, as in the query.
   */
  id: string;
  /**
   * SIP method.
   */
  method: string;
  /**
   * Name of the proxy.
   */
  node: string;
  /**
   * Who decided.
   */
  outcome: Outcome;
  /**
   * The decider's reasons.
   */
  reasons?: string[];
  /**
   * Request-URI as it was received.
   */
  request_uri: string;
  /**
   * Tenant.
   */
  tenant: string;
  /**
   * Time from asking to the outcome, in milliseconds.
   */
  took_ms: number;
  /**
   * Version of this document.
   */
  version: string;
}
/**
 * The state of a gateway of a set changed.
 */
export interface GatewayEvent {
  /**
   * When, in Unix milliseconds.
   */
  at: number;
  /**
   * Id of the gateway within the set.
   */
  gateway: string;
  /**
   * Name of the proxy.
   */
  node: string;
  /**
   * What it was before.
   */
  previous: GatewayState;
  /**
   * Whether a probe showed it, and not a request.
   */
  probe: boolean;
  /**
   * Why.
   */
  reason: GatewayReason;
  /**
   * Name of the gateway set.
   */
  set: string;
  /**
   * What it is now.
   */
  state: GatewayState;
  /**
   * The status, when `reason` is `status`.
   */
  status?: number;
  /**
   * Tenant.
   */
  tenant: string;
  /**
   * Its URI.
   */
  uri: string;
  /**
   * Version of this document.
   */
  version: string;
}
/**
 * A proxy started, drains or stopped.
 */
export interface NodeEvent {
  /**
   * When, in Unix milliseconds.
   */
  at: number;
  /**
   * Where it listens: `udp:192.0.2.1:5060`.
   */
  listen?: string[];
  /**
   * Name of the proxy.
   */
  node: string;
  /**
   * Version of the proxy software.
   */
  software?: string;
  /**
   * What it does now.
   */
  state: NodeState;
  /**
   * Tenant.
   */
  tenant: string;
  /**
   * Version of this document.
   */
  version: string;
}
/**
 * A transaction ended.
 */
export interface TransactionEvent {
  /**
   * When, in Unix milliseconds.
   */
  at: number;
  /**
   * The branches, in the order they were started.
   */
  branches?: Branch[];
  /**
   * Call-ID.
   */
  call_id: string;
  /**
   * Decision id of the last query; absent when nobody was asked.
   */
  id?: string;
  /**
   * SIP method.
   */
  method: string;
  /**
   * Name of the proxy.
   */
  node: string;
  /**
   * Final status sent to the caller.
   */
  status: number;
  /**
   * Tenant.
   */
  tenant: string;
  /**
   * Version of this document.
   */
  version: string;
}
