import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { z } from "zod";
import { archiveExtract } from "./archive-extract.ts";
import { archiveZip } from "./archive-zip.ts";
import { documentForm } from "./document-form.ts";
import { documentText } from "./document-text.ts";
import { fileValidate } from "./file-validate.ts";
import { httpFetch } from "./http-fetch.ts";
import { imageMetadata } from "./image-metadata.ts";
import { imageResize } from "./image-resize.ts";
import { numbersGenerate } from "./numbers-generate.ts";
import { numbersMean } from "./numbers-mean.ts";
import { numbersStats } from "./numbers-stats.ts";
import { numbersSum } from "./numbers-sum.ts";
import type { Processor } from "./processor.ts";
import { tableProfile } from "./table-profile.ts";
import { tableQuery } from "./table-query.ts";
import { textStats } from "./text-stats.ts";
import { textTemplate } from "./text-template.ts";

/** Every kind of work this process knows. */
export interface Catalogue {
  get(name: string): Processor | undefined;
  /** Sorted by name. */
  list(): readonly Processor[];
}

const BUILT_IN: readonly Processor[] = [
  archiveExtract,
  archiveZip,
  documentForm,
  documentText,
  fileValidate,
  httpFetch,
  imageMetadata,
  imageResize,
  numbersGenerate,
  numbersMean,
  numbersStats,
  numbersSum,
  tableProfile,
  tableQuery,
  textStats,
  textTemplate,
];

/**
 * The built-in processors and those of `extraModules`: module specifiers or paths, whose default export is a processor
 * or an array of them. Throws CatalogueError, with every problem in it, on a declaration that is incomplete, badly
 * named or there twice, and on a module that can't be loaded.
 */
export async function loadCatalogue(extraModules: readonly string[] = []): Promise<Catalogue> {
  const problems: string[] = [];
  const byName = new Map<string, Processor>();
  const add = (value: unknown, source: string): void => {
    const faults = findFaults(value);
    if (faults.length > 0 || !isProcessor(value)) {
      problems.push(...faults.map((fault) => `${source}: ${fault}`));
    } else if (value.doneBy !== undefined && !BUILT_IN.includes(value)) {
      problems.push(`${source}: ${value.name} can't be done by the worker; only built-in processors are. Leave doneBy out`);
    } else if (byName.has(value.name)) {
      problems.push(`${source}: there is a processor "${value.name}" already; give it another name`);
    } else {
      byName.set(value.name, value);
    }
  };
  for (const processor of BUILT_IN) add(processor, "built in");
  for (const specifier of extraModules) {
    for (const value of await importDeclarations(specifier, problems)) add(value, specifier);
  }
  if (problems.length > 0) throw new CatalogueError(problems);
  const sorted = [...byName.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  return { get: (name) => byName.get(name), list: () => sorted };
}

/** Declarations that can't be used; every problem is named, one a line. */
export class CatalogueError extends Error {
  readonly code = "bad_catalogue";
  readonly problems: readonly string[];
  constructor(problems: readonly string[]) {
    super(`The processors can't be used:\n${problems.map((problem) => `  ${problem}`).join("\n")}`);
    this.name = "CatalogueError";
    this.problems = problems;
  }
}

async function importDeclarations(specifier: string, problems: string[]): Promise<readonly unknown[]> {
  const isPath = specifier.startsWith(".") || specifier.startsWith("/");
  try {
    const module: { default?: unknown } = await import(isPath ? pathToFileURL(resolve(specifier)).href : specifier);
    return Array.isArray(module.default) ? module.default : [module.default];
  } catch (error) {
    problems.push(`${specifier}: can't be loaded (${error instanceof Error ? error.message : String(error)})`);
    return [];
  }
}

const text = z.string().min(1);
const wholeNumber = z.int().positive();

/** Looser than the interface where a schema can't look: `params` and `run`. */
const Declaration = z.object({
  name: z.string().regex(/^[a-z][a-z0-9-]*\.[a-z][a-z0-9-]*$/, "must be <group>.<name> in a–z, 0–9 and -, such as image.resize"),
  version: text,
  title: text,
  description: text,
  kind: z.enum(["map", "tree", "gather"]),
  emits: z.enum(["one", "many"]),
  accepts: z.array(text).min(1),
  produces: z.array(text).min(1),
  params: z.custom<z.ZodType>((value) => value instanceof z.ZodType, "must be a zod schema"),
  limits: z.object({ memoryBytes: wholeNumber, wallMs: wholeNumber, outputBytes: wholeNumber, outputFiles: wholeNumber }),
  example: z.record(z.string(), z.unknown()),
  codec: z.boolean(),
  cacheable: z
    .object({
      by: z.enum(["content", "content_and_names"]),
      unless: z.custom((value) => typeof value === "function", "must be a function").optional(),
    })
    .optional(),
  doneBy: z.literal("worker").optional(),
  run: z.custom<Processor["run"]>((value) => typeof value === "function", "must be a function"),
});

function findFaults(value: unknown): readonly string[] {
  const parsed = Declaration.safeParse(value);
  const name = typeof value === "object" && value !== null && "name" in value ? String(value.name) : "a processor without a name";
  if (!parsed.success) {
    return parsed.error.issues.map((issue) => `${name}: ${issue.path.join(".") || "declaration"} ${issue.message}`);
  }
  const example = parsed.data.params.safeParse(parsed.data.example);
  return example.success ? [] : [`${name}: its own example is not valid (${z.prettifyError(example.error).replaceAll("\n", " ")})`];
}

function isProcessor(value: unknown): value is Processor {
  return Declaration.safeParse(value).success;
}
