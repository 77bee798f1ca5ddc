/**
 * Why a decision was refused. The labels are those of the proxy's metrics and events; three reasons are missing
 * here because only the proxy can see them (`self_target`, `unknown_socket`, `unknown_gateways`).
 */
export const INVALID_REASONS = [
  "not_json",
  "too_large",
  "wrong_type",
  "missing_field",
  "duplicate_field",
  "unexpected_field",
  "unknown_version",
  "unknown_action",
  "unknown_routing",
  "no_routes",
  "too_many_routes",
  "too_many_contacts",
  "bad_status",
  "bad_number",
  "bad_name",
  "bad_header",
  "header_injection",
  "protected_header",
  "bad_uri",
  "bad_scheme",
] as const;
/** See {@link INVALID_REASONS}. */
export type InvalidReason = (typeof INVALID_REASONS)[number];

/** Longest detail, in characters. */
const LONGEST_DETAIL = 240;

/** A refused decision: what is wrong, where, and a sentence for the person who wrote the decider. */
export class Invalid extends Error {
  override name = "Invalid";
  readonly reason: InvalidReason;
  /** JSON pointer (RFC 6901) to the offending value; empty for the whole document. */
  readonly pointer: string;
  /** What was expected and what was found, on one printable line. */
  readonly detail: string;

  constructor(reason: InvalidReason, pointer: string, detail: string) {
    const printable = cut(detail.replace(/[\u0000-\u001f\u007f-\u009f]/g, (char) => JSON.stringify(char).slice(1, -1)));
    super(`${reason} at ${pointer || "the document"}: ${printable}`);
    this.reason = reason;
    this.pointer = pointer;
    this.detail = printable;
  }

  /** The same refusal for a document that sits inside another one, at `prefix`. */
  under(prefix: string): Invalid {
    return new Invalid(this.reason, prefix + this.pointer, this.detail);
  }
}

function cut(text: string): string {
  return text.length < LONGEST_DETAIL ? text : `${text.slice(0, LONGEST_DETAIL - 1)}…`;
}
