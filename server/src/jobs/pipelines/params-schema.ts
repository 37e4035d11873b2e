import { Ajv2020, type ErrorObject, type ValidateFunction } from "ajv/dist/2020.js";
import type { Issue } from "@filemill/contract/errors.ts";
import { didYouMean } from "./nearest.ts";
import { pointerTo } from "./pointer.ts";
import { checkSchemaKeywords, isObject } from "./schema-keywords.ts";

/** The `params` of a pipeline document: what a job may set, of which type, and what holds where it sets nothing. */
export interface ParamsSchema {
  /** What is wrong with the schema itself, with pointers below /params of the document. */
  readonly issues: readonly Issue[];
  readonly names: readonly string[];
  readonly defaults: Readonly<Record<string, unknown>>;
  /** Fills in defaults and checks; pointers are below /params of the request. The given object stays as it is. */
  accept(params: Readonly<Record<string, unknown>>): AcceptedParams;
}

export interface AcceptedParams {
  readonly values: Readonly<Record<string, unknown>>;
  readonly issues: readonly Issue[];
}

const CACHED_SCHEMAS = 200;
const cache = new Map<string, ParamsSchema>();
let ajv: Ajv2020 | undefined;

/**
 * Reads a JSON Schema (2020-12). It must be a tree: `$ref`, and `pattern` (a regular expression of a user's would run in
 * this process, where one bad one stops everybody) are refused. Parameters that it does not declare are errors unless it
 * says `additionalProperties`. Left out, a pipeline has no parameters.
 */
export function readParamsSchema(schema: unknown): ParamsSchema {
  const text = JSON.stringify(schema ?? {});
  const known = cache.get(text);
  if (known) return known;
  const read = compile(schema ?? {});
  const oldest = cache.keys().next();
  if (cache.size >= CACHED_SCHEMAS && !oldest.done) cache.delete(oldest.value);
  cache.set(text, read);
  return read;
}

function compile(schema: unknown): ParamsSchema {
  if (!isObject(schema)) {
    return unusable([{ pointer: "/params", message: 'must be a JSON Schema, such as {"properties": {"width": {"type": "integer"}}}' }], []);
  }
  const properties = isObject(schema["properties"]) ? schema["properties"] : {};
  const names = Object.keys(properties);
  const issues = checkSchemaKeywords(schema);
  if (schema["type"] !== undefined && schema["type"] !== "object") {
    issues.push({
      pointer: "/params/type",
      message: 'must be "object": parameters are given by name',
      suggestion: 'Write "type": "object".',
    });
  }
  if (issues.length > 0) return unusable(issues, names);
  const { $schema: _ignored, ...rest } = schema;
  const validate = compileChecked({ ...rest, type: "object", additionalProperties: schema["additionalProperties"] ?? false });
  if (Array.isArray(validate)) return unusable(validate, names);
  const accept = (params: Readonly<Record<string, unknown>>) => check(validate, params, names);
  const defaults = defaultsOf(properties);
  const wrong = accept(defaults).issues.filter((issue) => issue.pointer.split("/").length >= 3 && isDefault(issue.pointer, defaults));
  if (wrong.length > 0) return unusable(wrong.map(atDefault), names);
  return { issues: [], names, defaults, accept };
}

function compileChecked(schema: Record<string, unknown>): ValidateFunction | Issue[] {
  ajv ??= new Ajv2020({ allErrors: true, useDefaults: true, strict: false, validateFormats: false, logger: false });
  if (ajv.validateSchema(schema) !== true) {
    // The meta-schema reports one mistake at several of its levels; the first at a place says the most.
    const issues = (ajv.errors ?? []).map((error) => ({
      pointer: `/params${error.instancePath}`,
      message: error.message ?? "is not valid",
    }));
    return issues.filter((issue, index) => issues.findIndex(({ pointer }) => pointer === issue.pointer) === index);
  }
  try {
    return ajv.compile(schema);
  } catch (error) {
    return [{ pointer: "/params", message: `is not a usable JSON Schema: ${error instanceof Error ? error.message : String(error)}` }];
  } finally {
    // Ajv remembers every schema object for ever; ours are remembered by their text above, and not for ever.
    ajv.removeSchema(schema);
  }
}

function check(validate: ValidateFunction, params: Readonly<Record<string, unknown>>, names: readonly string[]): AcceptedParams {
  const values = structuredClone(params) as Record<string, unknown>;
  if (validate(values)) return { values, issues: [] };
  return { values, issues: (validate.errors ?? []).map((error) => issueOf(error, names)) };
}

function issueOf(error: ErrorObject, names: readonly string[]): Issue {
  const at = `/params${error.instancePath}`;
  if (error.keyword === "additionalProperties") {
    const name = String(error.params["additionalProperty"]);
    const suggestion = error.instancePath === "" ? didYouMean(name, names) : {};
    return { pointer: at + pointerTo([name]), message: `"${name}" is not a parameter of this pipeline`, ...suggestion };
  }
  if (error.keyword === "required") {
    return { pointer: at + pointerTo([String(error.params["missingProperty"])]), message: "is required" };
  }
  if (error.keyword === "enum") return { pointer: at, message: `must be one of ${JSON.stringify(error.params["allowedValues"])}` };
  return { pointer: at, message: error.message ?? "is not valid" };
}

function defaultsOf(properties: Record<string, unknown>): Record<string, unknown> {
  const entries = Object.entries(properties).flatMap(([name, property]) =>
    isObject(property) && "default" in property ? [[name, property["default"]] as const] : [],
  );
  return Object.fromEntries(entries);
}

function isDefault(pointer: string, defaults: Record<string, unknown>): boolean {
  return Object.keys(defaults).some((name) => pointer.startsWith(`/params${pointerTo([name])}`));
}

function atDefault(issue: Issue): Issue {
  const [, , name = ""] = issue.pointer.split("/");
  return { ...issue, pointer: `/params/properties/${name}/default`, message: `the default ${issue.message}` };
}

function unusable(issues: readonly Issue[], names: readonly string[]): ParamsSchema {
  return { issues, names, defaults: {}, accept: (params) => ({ values: params, issues }) };
}
