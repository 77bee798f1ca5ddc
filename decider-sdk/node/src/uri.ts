import type { Uri } from "./contract.js";

/**
 * Takes a `sip:`, `sips:` or `tel:` URI apart, for queries made up in tests. The proxy's own parser does
 * this for real ones; a decider never has to.
 *
 * @throws {TypeError} when it is none of these
 */
export function uriParts(text: string): Uri {
  const tel = /^tel:([^;]+)(;.*)?$/i.exec(text);
  if (tel !== null) return { text, scheme: "tel", user: tel[1]!, ...params(tel[2]) };
  const sip = /^(sips?):(?:([^@]*)@)?(\[[^\]]+\]|[^:;?@]+)(?::(\d+))?(;[^?]*)?(\?.*)?$/i.exec(text);
  if (sip === null) throw new TypeError(`not a SIP URI: ${text}`);
  const [, scheme, user, host, port, rest] = sip;
  return {
    text,
    scheme: scheme!.toLowerCase(),
    ...(user === undefined ? {} : { user: decodeURIComponent(user.split(":", 1)[0]!) }),
    host: host!.toLowerCase().replace(/[[\]]/g, ""),
    ...(port === undefined ? {} : { port: Number(port) }),
    ...params(rest),
  };
}

function params(text: string | undefined): { params?: Record<string, string> } {
  if (text === undefined) return {};
  const pairs = text.slice(1).split(";").map((part) => {
    const [name = "", value = ""] = part.split("=", 2);
    return [name.toLowerCase(), value] as const;
  });
  return { params: Object.fromEntries(pairs) };
}
