/**
 * Writes src/contract.ts from the JSON Schemas of the contract.
 *
 * `npm run generate` writes the file; a test holds it to what this makes of the schemas today.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { fileURLToPath } from "node:url";
import { compile } from "json-schema-to-typescript";

const SCHEMAS = ["query", "decision", "event"];
const ROOT = "ContractDocuments";
export const TARGET = fileURLToPath(new URL("../src/contract.ts", import.meta.url));

/** The text of src/contract.ts. */
export async function contractTypes() {
  /** @type {Record<string, any>} */
  const $defs = {};
  for (const name of SCHEMAS) {
    const url = new URL(`../../../contracts/schema/${name}.json`, import.meta.url);
    const { $defs: shared = {}, $id, $schema, ...document } = JSON.parse(readFileSync(url, "utf8"));
    for (const [type, schema] of Object.entries({ ...shared, [document.title]: document })) {
      if (type in $defs && !isDeepStrictEqual($defs[type], schema)) {
        throw new Error(`${name}.json: ${type} is not what another schema says it is`);
      }
      $defs[type] = schema;
    }
  }
  const titles = Object.keys($defs).map((name) => [name, { $ref: `#/$defs/${name}` }]);
  /** @type {import("json-schema-to-typescript").JSONSchema} */
  const root = { type: "object", $defs: typesOnly($defs), properties: Object.fromEntries(titles), required: [] };
  const text = await compile(root, ROOT, {
    // What the schema does not name, readers ignore and writers do not write: it has no type.
    additionalProperties: false,
    bannerComment: "/* Generated from contracts/schema by scripts/generate-types.js. Do not edit. */",
    style: { printWidth: 120 },
  });
  return text.replace(new RegExp(`export interface ${ROOT} \\{[^}]*\\}\\n+`), "");
}

/**
 * Leaves out what says which fields go together: TypeScript would make intersections nobody can read of it,
 * and the SDK checks that on every decision. A reference becomes the name of its type: the compiler would copy
 * the type for every reference that has a description of its own.
 *
 * @param {any} schema
 * @returns {any}
 */
function typesOnly(schema) {
  if (Array.isArray(schema)) return schema.map(typesOnly);
  if (typeof schema !== "object" || schema === null) return schema;
  const { allOf, if: _if, then: _then, else: _else, title, propertyNames, $ref, ...rest } = schema;
  if ($ref !== undefined) {
    const { event } = rest.properties ?? {};
    const name = $ref.replace("#/$defs/", "");
    return { description: rest.description, tsType: event === undefined ? name : `{ event: "${event.const}" } & ${name}` };
  }
  return Object.fromEntries(Object.entries(rest).map(([key, value]) => [key, typesOnly(value)]));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(TARGET, await contractTypes());
