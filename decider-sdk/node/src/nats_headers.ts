/** Names of the NATS headers that queries and replies carry. */
export const HEADER = {
  id: "Sigbox-Id",
  attempt: "Sigbox-Attempt",
  budgetMs: "Sigbox-Budget-Ms",
  deadline: "Sigbox-Deadline",
  mode: "Sigbox-Mode",
  decider: "Sigbox-Decider",
  traceparent: "traceparent",
  error: "Nats-Service-Error",
  errorCode: "Nats-Service-Error-Code",
} as const;

/** Longest error text that goes into a header. */
const LONGEST_ERROR = 512;

/** Text as a header value: one line, control characters as spaces, cut at a length a log can bear. */
export function headerText(text: string): string {
  const line = text.replace(/[\u0000-\u001f\u007f]+/g, " ").trim();
  return line.length > LONGEST_ERROR ? `${line.slice(0, LONGEST_ERROR - 1)}…` : line;
}
