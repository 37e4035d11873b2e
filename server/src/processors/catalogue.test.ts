import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { ProcessorResource } from "@filemill/contract/pipelines.ts";
import { expect, test } from "vitest";
import { loadCatalogue } from "./catalogue.ts";
import { describe as describeProcessor } from "./describe.ts";

const demo = join(import.meta.dirname, "../../test/processors/demo.ts");

test("lists the built-in processors by name", async () => {
  const catalogue = await loadCatalogue();
  expect(catalogue.list().map((processor) => processor.name)).toEqual([
    "archive.extract",
    "archive.zip",
    "document.form",
    "document.text",
    "file.validate",
    "http.fetch",
    "image.metadata",
    "image.resize",
    "numbers.generate",
    "numbers.mean",
    "numbers.stats",
    "numbers.sum",
    "table.profile",
    "table.query",
    "text.stats",
    "text.template",
  ]);
  expect(catalogue.get("image.resize")?.title).toBe("Resize images");
  expect(catalogue.get("image.rezise")).toBeUndefined();
});

test("adds the processors of extra modules", async () => {
  const catalogue = await loadCatalogue([demo]);
  expect(catalogue.get("demo.noop")?.kind).toBe("map");
  expect(catalogue.get("file.validate")).toBeDefined();
});

test("describes each in the form of the wire, parameters as JSON Schema", async () => {
  for (const processor of (await loadCatalogue([demo])).list()) {
    const resource = ProcessorResource.parse(describeProcessor(processor));
    expect(resource.parameters, processor.name).toMatchObject({ type: "object", additionalProperties: false });
  }
  const resize = (await loadCatalogue()).get("image.resize");
  expect(resize && describeProcessor(resize, { available: false })).toMatchObject({
    available: false,
    parameters: { properties: { width: { type: "integer", title: "Width", minimum: 1 }, fit: { default: "inside" } } },
  });
});

const declaration = (fields: string) => `
  import { z } from ${JSON.stringify(import.meta.resolve("zod"))};
  const base = { name: "a.b", version: "1", title: "t", description: "d", kind: "map", emits: "one", accepts: ["*/*"], produces: ["*/*"],
    params: z.strictObject({ n: z.int().optional() }), limits: { memoryBytes: 1, wallMs: 1, outputBytes: 1, outputFiles: 1 }, example: {}, codec: false, run: async () => {} };
  export default ${fields};`;

test.each([
  ["a name that is there already", '{ ...base, name: "image.resize" }', /there is a processor "image\.resize" already/],
  ["a name twice in one module", "[base, base]", /there is a processor "a\.b" already/],
  ["a name without a group", '{ ...base, name: "resize" }', /resize: name must be <group>\.<name>/],
  ["a missing field", "{ ...base, title: undefined }", /a\.b: title/],
  ["a missing run", "{ ...base, run: undefined }", /a\.b: run must be a function/],
  ["an unknown kind", '{ ...base, kind: "reduce" }', /a\.b: kind/],
  ["a limit of zero", "{ ...base, limits: { ...base.limits, wallMs: 0 } }", /a\.b: limits\.wallMs/],
  ["parameters that are no schema", "{ ...base, params: {} }", /a\.b: params must be a zod schema/],
  ["an example that its own schema refuses", '{ ...base, example: { n: "x" } }', /its own example is not valid/],
  ["no default export worth the name", "7", /a processor without a name/],
])("refuses %s", async (_, fields, message) => {
  const folder = await mkdtemp(join(tmpdir(), "filemill-catalogue-"));
  try {
    const path = join(folder, "extra.mjs");
    await writeFile(path, declaration(fields));
    await expect(loadCatalogue([path])).rejects.toThrow(message);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("names a module that can't be loaded, beside all other problems", async () => {
  await expect(loadCatalogue(["/nowhere/at-all.mjs", demo, demo])).rejects.toThrow(
    /at-all\.mjs: can't be loaded[\s\S]*"demo\.noop" already/,
  );
});

test("declarations load no codec", async () => {
  const script = `
    const { registerHooks } = await import("node:module");
    const loaded = [];
    registerHooks({ load(url, context, next) { loaded.push(url); return next(url, context); } });
    const { loadCatalogue } = await import(${JSON.stringify(import.meta.resolve("./catalogue.ts"))});
    const { length } = (await loadCatalogue()).list();
    const packages = [...new Set(loaded.flatMap((url) => /node_modules\\/((?:@[^/]+\\/)?[^/]+)/.exec(url)?.[1] ?? []))];
    console.log(JSON.stringify({ length, packages, native: process.report.getReport().sharedObjects.filter((path) => path.endsWith(".node")) }));`;
  const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", script]);
  expect(JSON.parse(stdout)).toEqual({ length: (await loadCatalogue()).list().length, packages: ["zod"], native: [] });
});

test("only a built-in processor can be done by the worker", async () => {
  const pretender = join(import.meta.dirname, "../../test/processors/pretender.ts");
  await expect(loadCatalogue([pretender])).rejects.toThrow(/demo\.pretender can't be done by the worker/);
});
