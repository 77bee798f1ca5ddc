/** What is said beside a message: names to values. */
export type LogFields = Record<string, unknown>;

/** Where the SDK and a handler write what happens. `console` has the right shape. */
export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

const LEVELS = ["debug", "info", "warn", "error"] as const;

/**
 * A log that writes one line per message: time, level, message, `key=value` pairs.
 *
 * Values come from SIP messages, so control characters are always written escaped: nobody who can
 * place a call can forge a line or move the cursor of whoever reads the log.
 *
 * @param level the lowest level that is written; `off` writes nothing, anything else counts as `info`
 * @param write takes a line without its newline; standard error by default
 */
export function lineLog(
  level: string = process.env["SIGBOX_LOG"] ?? "info",
  write: (line: string) => void = (line) => process.stderr.write(`${line}\n`),
): Log {
  const lowest = level === "off" ? LEVELS.length : (LEVELS as readonly string[]).indexOf(level);
  // A tracing filter such as `sigbox=debug,info` may be in the same variable; it is not ours to read.
  const from = lowest === -1 ? 1 : lowest;
  const at =
    (rank: number, name: string) =>
    (message: string, fields: LogFields = {}): void => {
      if (rank < from) return;
      const pairs = Object.entries(fields).map(([key, value]) => ` ${key}=${printed(value)}`);
      write(`${new Date().toISOString()} ${name} ${escaped(message)}${pairs.join("")}`);
    };
  return { debug: at(0, "DEBUG"), info: at(1, "INFO"), warn: at(2, "WARN"), error: at(3, "ERROR") };
}

/** The same log with `fields` added to every line. */
export function withFields(log: Log, fields: LogFields): Log {
  return {
    debug: (message, more) => log.debug(message, { ...fields, ...more }),
    info: (message, more) => log.info(message, { ...fields, ...more }),
    warn: (message, more) => log.warn(message, { ...fields, ...more }),
    error: (message, more) => log.error(message, { ...fields, ...more }),
  };
}

/** A log that keeps nothing: the test harness's default. */
export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} };

function printed(value: unknown): string {
  const text = typeof value === "string" ? value : (JSON.stringify(value) ?? String(value));
  return /^[\w.:/@+*<>-]+$/.test(text) ? text : escaped(JSON.stringify(text));
}

function escaped(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
