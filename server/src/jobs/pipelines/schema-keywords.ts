import type { Issue } from "@filemill/contract/errors.ts";
import { didYouMean } from "./nearest.ts";
import { pointerTo } from "./pointer.ts";

const ANNOTATIONS = ["title", "description", "default", "examples", "deprecated", "format", "$comment"];
const ASSERTIONS = ["type", "enum", "const", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"];
const SIZES = ["minLength", "maxLength", "minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties", "required"];
/** Keywords whose value is one schema, a list of schemas, a map of schemas. */
const ONE = ["items", "additionalProperties", "not"];
const LIST = ["anyOf", "oneOf", "allOf"];
const MAP = ["properties"];
const KEYWORDS: ReadonlySet<string> = new Set([...ANNOTATIONS, ...ASSERTIONS, ...SIZES, ...ONE, ...LIST, ...MAP]);

/** Keywords of a params schema that are unknown or refused, each with its pointer below /params. */
export function checkSchemaKeywords(schema: Record<string, unknown>): Issue[] {
  const { $schema: _dialect, ...rest } = schema;
  return checkNode(rest, ["params"]);
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function checkNode(node: unknown, path: readonly PropertyKey[]): Issue[] {
  if (typeof node === "boolean") return [];
  if (!isObject(node)) return [{ pointer: pointerTo(path), message: "must be a JSON Schema" }];
  return Object.entries(node).flatMap(([key, value]) => {
    const at = [...path, key];
    if (!KEYWORDS.has(key)) return [refuse(key, value, at)];
    if (ONE.includes(key)) return checkNode(value, at);
    if (LIST.includes(key) && Array.isArray(value)) return value.flatMap((entry, index) => checkNode(entry, [...at, index]));
    if (MAP.includes(key) && isObject(value)) return Object.entries(value).flatMap(([name, entry]) => checkNode(entry, [...at, name]));
    return [];
  });
}

function refuse(key: string, value: unknown, path: readonly PropertyKey[]): Issue {
  const pointer = pointerTo(path);
  if (key === "pattern" || key === "patternProperties") {
    return {
      pointer,
      message: "regular expressions are not taken here, because one can keep the server busy for ever",
      suggestion: 'Use "enum".',
    };
  }
  if (key.startsWith("$"))
    return { pointer, message: `"${key}" is not taken: the schema must stand by itself`, suggestion: "Write the schema out in place." };
  const meant = didYouMean(key, KEYWORDS);
  // The usual slip: {"width": {"type": "integer"}} without "properties" around it.
  if (meant.suggestion === undefined && path.length === 2 && isObject(value)) {
    return { pointer, message: `"${key}" is not a keyword of JSON Schema`, suggestion: `Write it as /params/properties/${key}.` };
  }
  return { pointer, message: `"${key}" is not a keyword of JSON Schema that is taken here`, ...meant };
}
