/**
 * Write a sigbox decider in Node: one function per class of request.
 *
 * @example
 * import { decider, reject, route, to } from "@sigbox/decider";
 *
 * decider("lcr-node", "1.0.0")
 *   .on("invite", (call) =>
 *     call.requestUri.user?.startsWith("+49")
 *       ? route(to("sip:192.0.2.20").timeout(5_000), "sip:192.0.2.21").because("prefix +49")
 *       : reject(404))
 *   .run();
 */
export { decider, Decider, Running, CLASSES, QUEUE_GROUP, type Class } from "./decider.js";
export {
  route, serial, parallel, reject, redirect, pass, extend,
  Answer, RejectAnswer, RouteAnswer, type Reply,
} from "./answer.js";
export { to, Target } from "./target.js";
export { Call } from "./call.js";
export { Context, Withdrawn } from "./context.js";
export type { Handler, Counters } from "./dispatch.js";
export { Invalid, type InvalidReason } from "./invalid.js";
export { parseDecision, validate, type Limits } from "./parse.js";
export { lineLog, type Log, type LogFields } from "./log.js";
export { SettingError, type Settings } from "./settings.js";
export { VERSION } from "./version.js";
export type * from "./contract.js";
export { Table, Tables, type Found, type Row, type Snapshot } from "./tables.js";
