import { readFile, writeFile } from "node:fs/promises";
import { z } from "zod";
import { JsonTooComplex, parseJson } from "../parse-json.ts";
import { BadInput, declareProcessor } from "./processor.ts";
import { faultOf } from "./text/template-tags.ts";
import { withoutExtensions } from "./text/without-extensions.ts";

const MAX_INPUT_BYTES = 32 * 2 ** 20;
/** Sections repeat what is in them for each entry of a list: a few in each other make gigabytes of a small document. */
const MAX_OUTPUT_CHARACTERS = 32 * 2 ** 20;

const Template = z
  .string()
  .refine((text) => faultOf(text) === undefined, { error: (issue) => faultOf(String(issue.input)) ?? "is no template" });

const params = z.strictObject({
  template: Template.min(1)
    .max(64 * 1024)
    .meta({
      title: "Template",
      description:
        "Mustache: {{a.b}} is a value, {{#a}}…{{/a}} is repeated for each entry of a list or shown where there is a value, {{^a}}…{{/a}} where there is none, {{.}} is the entry itself. {{file.name}} is the input's name, {{file.stem}} the same without its extensions.",
    }),
  name: Template.min(1).max(500).default("{{file.stem}}.txt").meta({ title: "Name", description: "Of the output; a template as well." }),
  given: z
    .record(z.string().max(100), z.json())
    .default({})
    .meta({ title: "Given values", description: "Beside those of the document: {{given.a}}. Here a job's parameters come in." }),
  format: z.enum(["text", "html", "markdown"]).default("text").meta({ title: "Format", description: "In html, values are escaped." }),
});

const MEDIA_TYPES = { text: "text/plain", html: "text/html", markdown: "text/markdown" } as const;

export const textTemplate = declareProcessor({
  name: "text.template",
  version: "1",
  title: "Write a text from data",
  description: "Fills the values of a JSON document into a template (Mustache, without code): letters, reports, pages.",
  kind: "map",
  emits: "one",
  accepts: ["application/json"],
  produces: Object.values(MEDIA_TYPES),
  params,
  limits: { memoryBytes: 512 * 2 ** 20, wallMs: 60_000, outputBytes: 128 * 2 ** 20, outputFiles: 1 },
  example: { template: "Dear {{name}},\n{{#orders}}- {{title}}\n{{/orders}}", name: "{{file.stem}}.letter.txt" },
  codec: false,
  cacheable: { by: "content_and_names" },
  async run({ params, inputs, output }) {
    const { default: mustache } = await import("mustache");
    const given = bare(params.given);
    for (const input of inputs) {
      if (input.sizeBytes > MAX_INPUT_BYTES) {
        throw new BadInput("limit_exceeded", `"${input.name}" has ${input.sizeBytes} bytes; a template takes at most ${MAX_INPUT_BYTES}.`);
      }
      const data = readData(await readFile(input.path, "utf8"), input.name);
      const stem = withoutExtensions(input.name);
      const file = object([
        ["name", input.name],
        ["stem", stem],
      ]);
      const view = object([...Object.entries(isRecord(data) ? data : { value: data }), ["file", file], ["given", given]]);
      const plain = { escape: (value: unknown) => String(value) };
      const text = mustache.render(params.template, view, undefined, params.format === "html" ? undefined : plain);
      if (text.length > MAX_OUTPUT_CHARACTERS) {
        throw new BadInput(
          "limit_exceeded",
          `The text made of "${input.name}" has ${text.length} characters; at most ${MAX_OUTPUT_CHARACTERS} may be.`,
        );
      }
      const name = mustache
        .render(params.name, view, undefined, plain)
        .replaceAll(/[\r\n]+/g, " ")
        .trim();
      await writeFile(output({ name: name || `${stem}.txt`, mediaType: MEDIA_TYPES[params.format] }), text);
    }
  },
});

function readData(text: string, name: string): unknown {
  try {
    return bare(parseJson(text));
  } catch (cause) {
    const code = cause instanceof JsonTooComplex ? "limit_exceeded" : "corrupt";
    throw new BadInput(code, `"${name}" can't be read as JSON: ${cause instanceof Error ? cause.message : String(cause)}.`, { cause });
  }
}

/** Of what stands for a list or an object in a template: that it is written as JSON, which no name leads to. */
const PRINTED: object = Object.create(null, { [Symbol.toPrimitive]: { value: toJson } });

function toJson(this: unknown): string {
  return JSON.stringify(this);
}

/**
 * Lists and objects without what they inherit: Mustache looks names up in whatever it is given, and would call the
 * functions that every list and object of JavaScript has.
 */
function bare(value: unknown): unknown {
  if (Array.isArray(value)) return Object.setPrototypeOf(value.map(bare), PRINTED);
  return isRecord(value) ? object(Object.entries(value).map(([key, entry]) => [key, bare(entry)])) : value;
}

function object(entries: readonly (readonly [string, unknown])[]): object {
  return Object.setPrototypeOf(Object.fromEntries(entries), PRINTED);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
