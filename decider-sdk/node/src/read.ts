import { Invalid, type InvalidReason } from "./invalid.js";

/**
 * Reads one value of a parsed document: checks its type, and gives undefined for what counts as absent.
 *
 * @param at JSON pointer to the value
 * @throws {Invalid} `wrong_type` and the like, with the pointer
 */
export type Read<T> = (value: unknown, at: string) => T | undefined;

/** Appends a reference token, escaped as in RFC 6901 §3. */
export function child(at: string, token: string | number): string {
  return `${at}/${String(token).replaceAll("~", "~0").replaceAll("/", "~1")}`;
}

/** Text. */
export const text: Read<string> = (value, at) => {
  if (value === null) return undefined;
  if (typeof value === "string") return value;
  throw wrongType(at, value, "a string");
};

/** Text of which `""` is the same as leaving the field out, as rtjson has it. */
export const textOrUnset: Read<string> = (value, at) => text(value, at) || undefined;

/** `true` or `false`. */
export const flag: Read<boolean> = (value, at) => {
  if (value === null) return undefined;
  if (typeof value === "boolean") return value;
  throw wrongType(at, value, "a boolean");
};

/** Any number. */
export const number: Read<number> = (value, at) => {
  if (value === null) return undefined;
  if (typeof value === "number") return value;
  throw wrongType(at, value, "a number");
};

/** A whole number from 0 to `max`; any other number is refused for `reason`. */
export function whole(max: number, reason: InvalidReason = "bad_number"): Read<number> {
  return (value, at) => {
    const read = number(value, at);
    if (read === undefined) return undefined;
    if (read < 0) throw new Invalid(reason, at, `${read} is negative`);
    if (!Number.isInteger(read)) throw new Invalid(reason, at, `${read} is not a whole number`);
    if (read > max) throw new Invalid(reason, at, `${read} is too large`);
    return read;
  };
}

/** One of a few names; another is refused for `reason`. */
export function oneOf<T extends string>(names: readonly T[], reason: InvalidReason): Read<T> {
  return (value, at) => {
    const read = text(value, at);
    if (read === undefined || (names as readonly string[]).includes(read)) return read as T | undefined;
    throw new Invalid(reason, at, `${JSON.stringify(read)} is none of ${names.join(", ")}`);
  };
}

/** A list; `null` inside it has the wrong type. */
export function list<T>(item: Read<T>): Read<T[]> {
  return (value, at) => {
    if (value === null) return undefined;
    if (!Array.isArray(value)) throw wrongType(at, value, "a list");
    return value.map((element: unknown, index) => {
      const read = element === null ? undefined : item(element, child(at, index));
      if (read === undefined) throw wrongType(child(at, index), element, "a value");
      return read;
    });
  };
}

/** An object whose keys are names somebody chose, like header names: their case is kept. */
export const textMap: Read<Record<string, string>> = (value, at) => {
  if (value === null) return undefined;
  const entries = Object.entries(object(value, at)).map(([key, element]) => {
    if (typeof element !== "string") throw wrongType(child(at, key), element, "a string");
    return [key, element] as const;
  });
  return Object.fromEntries(entries);
};

/** Field names of `T` with how each is read. */
export type Fields<T> = { [K in keyof T]-?: Read<Exclude<T[K], undefined>> };

/**
 * An object with these fields, their names in any case as rtjson has it; others are ignored.
 *
 * @param required fields without which there is nothing to read
 */
export function struct<T extends object>(fields: Fields<T>, required: readonly (keyof T & string)[] = []): Read<T> {
  const readers = new Map<string, Read<unknown>>(Object.entries(fields));
  return (value, at) => {
    if (value === null) return undefined;
    const read: Record<string, unknown> = {};
    const seen = new Set<string>();
    for (const [key, element] of Object.entries(object(value, at))) {
      const name = key.toLowerCase();
      const reader = readers.get(name);
      if (reader === undefined) continue;
      if (seen.has(name)) throw new Invalid("duplicate_field", child(at, name), "is there twice");
      seen.add(name);
      const result = reader(element, child(at, name));
      if (result !== undefined) read[name] = result;
    }
    for (const name of required) {
      if (!seen.has(name)) throw new Invalid("missing_field", child(at, name), "is not there");
    }
    return read as T;
  };
}

/** The value as an object. */
export function object(value: unknown, at: string): Record<string, unknown> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw wrongType(at, value, "an object");
}

/** A refusal for the type of a value. */
export function wrongType(at: string, value: unknown, expected: string): Invalid {
  const found = value === null ? "null" : Array.isArray(value) ? "a list" : typeof value;
  return new Invalid("wrong_type", at, `${found}, expected ${expected}`);
}
