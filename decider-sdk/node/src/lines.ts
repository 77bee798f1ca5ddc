/** What becomes part of a SIP message must not end its line, or a decision could write headers nobody checked. */
import { Invalid } from "./invalid.js";

/**
 * Headers that only the proxy writes, with their compact forms (RFC 3261 §7.3.3). From and To have fields of
 * their own, which keep the tag.
 */
const PROTECTED = new Set([
  "via", "v", "route", "record-route", "call-id", "i", "cseq", "content-length", "l", "max-forwards", "max-breadth",
  "from", "f", "to", "t",
]);

const TOKEN = /^[A-Za-z0-9.!%*_+`'~-]+$/;

/** Text within a line: no control character but a tab. */
export function oneLine(at: string, text: string): void {
  const control = /[\u0000-\u0008\u000a-\u001f\u007f]/.exec(text);
  if (control === null) return;
  throw new Invalid("header_injection", at, `contains ${JSON.stringify(control[0])}, which would end the line or is not text`);
}

/** The name of a header that may be written: a token (RFC 3261 §25.1), and not a protected one. */
export function headerName(at: string, name: string): void {
  oneLine(at, name);
  if (!TOKEN.test(name)) throw new Invalid("bad_header", at, `${JSON.stringify(name)} is not a header name`);
  if (PROTECTED.has(name.toLowerCase())) throw new Invalid("protected_header", at, `${name} is written by the proxy only`);
}

/** Whole header lines, each ended by CRLF; at the end of the last one it may be missing. */
export function extraLines(at: string, lines: string): void {
  for (const line of (lines.endsWith("\r\n") ? lines.slice(0, -2) : lines).split("\r\n")) {
    oneLine(at, line);
    if (line === "") throw new Invalid("header_injection", at, "an empty line ends the headers");
    const colon = line.indexOf(":");
    if (colon === -1) {
      throw new Invalid("bad_header", at, `${JSON.stringify(line)} has no colon; write "Name: value\\r\\n"`);
    }
    headerName(at, line.slice(0, colon).replace(/[ \t]+$/, ""));
  }
}

/** What can be said of a URI without its grammar: a scheme we can use, and no character that ends a URI in a header. */
export function uri(at: string, text: string, schemes: readonly string[]): void {
  oneLine(at, text);
  const colon = text.indexOf(":");
  if (colon === -1) throw new Invalid("bad_uri", at, `${JSON.stringify(text)} has no scheme; write "sip:user@host"`);
  if (colon === text.length - 1 || !/^[!-~]*$/.test(text) || /[<>"]/.test(text)) {
    throw new Invalid(
      "bad_uri",
      at,
      `${JSON.stringify(text)} is not a URI on its own; no name, brackets, spaces or text beyond ASCII`,
    );
  }
  const scheme = text.slice(0, colon);
  if (!schemes.includes(scheme.toLowerCase())) {
    throw new Invalid("bad_scheme", at, `${JSON.stringify(scheme)}; here a URI is one of ${schemes.join(", ")}`);
  }
}
