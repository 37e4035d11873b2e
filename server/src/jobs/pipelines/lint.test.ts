import { describe, expect, it } from "vitest";
import { toyCatalogue } from "../../../test/toy-catalogue.ts";
import { lintPipeline } from "./lint.ts";

const catalogue = toyCatalogue();

describe("a sound pipeline", () => {
  it("has no issues", () => {
    const document = {
      name: "photo-set",
      description: "thumbnails",
      params: {
        type: "object",
        properties: { width: { type: "integer", minimum: 1, default: 200 }, sql: { type: "string" } },
        required: ["sql"],
      },
      steps: {
        checked: { use: "toy.check", with: { accept: ["image/*"], max_size: "50MiB" } },
        small: { use: "toy.image", needs: ["checked"], with: { width: "${params.width}" }, when: { media_type: ["image/png"] } },
        rows: { use: "toy.table", with: { sql: "${params.sql}" } },
        total: { use: "toy.sum", fan_in: 3 },
        all: { use: "toy.pack", needs: ["small", "rows"] },
      },
      outputs: ["small", "all"],
    };
    expect(lintPipeline(document, catalogue)).toEqual([]);
  });
});

describe("each mistake has its place and, where one can be guessed, what was meant", () => {
  const image = { use: "toy.image", with: { width: 10 } };
  const pass = { use: "toy.pass" };
  const cases: Record<string, { document: unknown; expected: [pointer: string, message: RegExp, suggestion?: RegExp][] }> = {
    "no object": {
      document: [],
      expected: [
        ["", /object/],
        ["/steps", /at least one/],
      ],
    },
    "no steps": { document: { steps: {} }, expected: [["/steps", /at least one/]] },
    "unknown key of the document": { document: { setps: {}, steps: { a: pass } }, expected: [["/setps", /not known/, /"steps"/]] },
    "unknown key of a step": { document: { steps: { a: { ...pass, wihen: {} } } }, expected: [["/steps/a/wihen", /not known/, /"when"/]] },
    "bad step name": { document: { steps: { "A b": pass } }, expected: [["/steps/A b", /name must be/]] },
    "bad setting": { document: { steps: { a: { ...pass, attempts: 99 } } }, expected: [["/steps/a/attempts", /20/]] },
    "bad choice": { document: { steps: { a: { ...pass, on_error: "skp" } } }, expected: [["/steps/a/on_error", /./, /"skip"/]] },
    "bad batch": { document: { steps: { a: { ...pass, batch: { items: 0 } } } }, expected: [["/steps/a/batch/items", /1/]] },
    "unknown key of a batch": {
      document: { steps: { a: { ...pass, batch: { item: 3 } } } },
      expected: [
        ["/steps/a/batch/items", /./],
        ["/steps/a/batch/item", /not known/, /"items"/],
      ],
    },
    "unknown processor": { document: { steps: { a: { use: "toy.imgae" } } }, expected: [["/steps/a/use", /no processor/, /"toy.image"/]] },
    "processor without its group": {
      document: { steps: { a: { use: "split" } } },
      expected: [["/steps/a/use", /no processor/, /"toy.split"/]],
    },
    "processor like none": {
      document: { steps: { a: { use: "xxxxxxxx" } } },
      expected: [["/steps/a/use", /no processor/, /There are toy\.pass/]],
    },
    "unknown need": {
      document: { steps: { checked: pass, b: { ...pass, needs: ["cheked"] } } },
      expected: [["/steps/b/needs/0", /no step/, /"checked"/]],
    },
    "need twice": { document: { steps: { a: pass, b: { ...pass, needs: ["a", "a"] } } }, expected: [["/steps/b/needs/1", /twice/]] },
    "need of itself": { document: { steps: { a: { ...pass, needs: ["a"] } } }, expected: [["/steps/a/needs/0", /itself/]] },
    "unknown output": { document: { steps: { small: pass }, outputs: ["smal"] }, expected: [["/outputs/0", /no step/, /"small"/]] },
    "output twice": { document: { steps: { a: pass }, outputs: ["a", "a"] }, expected: [["/outputs/1", /twice/]] },
    "bad with": { document: { steps: { a: { use: "toy.image", with: { width: 0 } } } }, expected: [["/steps/a/with/width", /1/]] },
    "missing with": { document: { steps: { a: { use: "toy.image" } } }, expected: [["/steps/a/with/width", /./]] },
    "unknown key of with": {
      document: { steps: { a: { use: "toy.image", with: { width: 1, heigth: 2 } } } },
      expected: [["/steps/a/with/heigth", /not known/, /"height"/]],
    },
    "fan_in on a map": { document: { steps: { a: { ...pass, fan_in: 3 } } }, expected: [["/steps/a/fan_in", /no tree/, /Leave/]] },
    "results that can't be used again": {
      document: { steps: { a: { use: "toy.split", cache: true } } },
      expected: [["/steps/a/cache", /toy\.split can't be used again/, /Leave/]],
    },
    "batch on a gather": {
      document: { steps: { a: { use: "toy.pack", batch: { items: 2 } } } },
      expected: [["/steps/a/batch", /gather/, /Leave/]],
    },
    "batch on a tree": {
      document: { steps: { a: { use: "toy.sum", batch: { items: 2 } } } },
      expected: [["/steps/a/batch", /tree/, /fan_in/]],
    },
    "types that never meet": {
      document: { steps: { a: image, b: { use: "toy.table", needs: ["a"], with: { sql: "x" } } } },
      expected: [["/steps/b/needs/0", /produces image\/jpeg.*takes text\/csv/, /converts/]],
    },
    "when that never meets": {
      document: { steps: { a: { ...image, when: { media_type: ["text/plain"] } } } },
      expected: [["/steps/a/when/media_type", /never text\/plain/]],
    },
    "when that nothing reaches": {
      document: { steps: { a: image, b: { use: "toy.image", needs: ["a"], with: { width: 1 }, when: { media_type: ["image/png"] } } } },
      expected: [["/steps/b/needs/0", /takes image\/png/]],
    },
    "undeclared parameter": {
      document: {
        params: { properties: { width: { type: "integer" } } },
        steps: { a: { use: "toy.image", with: { width: "${params.wdth}" } } },
      },
      expected: [["/steps/a/with/width", /not declared/, /"width"/]],
    },
    "no parameters at all": {
      document: { steps: { a: { use: "toy.image", with: { width: "${params.w}" } } } },
      expected: [["/steps/a/with/width", /not declared/, /\/params\/properties\/w/]],
    },
    "reference to something else": {
      document: { steps: { a: { use: "toy.table", with: { sql: "FROM ${env.HOME}" } } } },
      expected: [["/steps/a/with/sql", /not a parameter/, /params\.width/]],
    },
    "default that the processor refuses": {
      document: {
        params: { properties: { w: { type: "integer", default: 0 } } },
        steps: { a: { use: "toy.image", with: { width: "${params.w}" } } },
      },
      expected: [["/steps/a/with/width", /1/]],
    },
    "params that are no schema": {
      document: { params: { properties: { w: { type: "int" } } }, steps: { a: pass } },
      expected: [["/params/properties/w/type", /./]],
    },
    "params without properties": {
      document: { params: { width: { type: "integer" } }, steps: { a: pass } },
      expected: [["/params/width", /not a keyword/, /properties\/width/]],
    },
    "misspelt keyword": {
      document: { params: { properties: { w: { type: "integer", minumum: 1 } } }, steps: { a: pass } },
      expected: [["/params/properties/w/minumum", /keyword/, /"minimum"/]],
    },
    "regular expression": {
      document: { params: { properties: { w: { type: "string", pattern: "(a+)+$" } } }, steps: { a: pass } },
      expected: [["/params/properties/w/pattern", /busy/, /enum/]],
    },
    "reference in a schema": {
      document: { params: { $ref: "#" }, steps: { a: pass } },
      expected: [["/params/$ref", /by itself/, /in place/]],
    },
    "default against its own schema": {
      document: { params: { properties: { w: { type: "integer", default: "x" } } }, steps: { a: pass } },
      expected: [["/params/properties/w/default", /default must be integer/]],
    },
    __proto__: {
      document: JSON.parse('{"steps":{"__proto__":{"use":"toy.pass"},"a":{"use":"toy.pass"}}}'),
      expected: [["/steps/__proto__", /can't be used/, /another/]],
    },
    "constructor deep inside": {
      document: { steps: { a: { use: "toy.pass", with: { x: { constructor: {} } } } } },
      expected: [["/steps/a/with/x/constructor", /can't be used/, /another/]],
    },
    "too many steps": {
      document: { steps: Object.fromEntries(Array.from({ length: 101 }, (_, index) => [`s${index}`, pass])) },
      expected: [["/steps", /100.*101/]],
    },
    "too large": { document: { steps: { a: pass }, description: "x".repeat(300_000) }, expected: [["", /256 KiB/]] },
  };

  it.each(Object.entries(cases))("%s", (_name, { document, expected }) => {
    const issues = lintPipeline(document, catalogue);
    expect(issues.map(({ pointer }) => pointer)).toEqual(expected.map(([pointer]) => pointer));
    expected.forEach(([, message, suggestion], index) => {
      expect(issues[index]?.message).toMatch(message);
      if (suggestion) expect(issues[index]?.suggestion).toMatch(suggestion);
    });
  });

  it("takes what a parameter without a default will be on trust, and checks the rest", () => {
    const document = {
      params: { properties: { w: { type: "integer" } } },
      steps: { a: { use: "toy.image", with: { width: "${params.w}", fit: "insde" } } },
    };
    expect(lintPipeline(document, catalogue)).toMatchObject([{ pointer: "/steps/a/with/fit", suggestion: 'Did you mean "inside"?' }]);
  });

  it("says it all at once", () => {
    const document = {
      name: "Bad Name",
      steps: { a: { use: "toy.imgae", needs: ["b"] }, b: { use: "toy.image", with: { width: -1 }, needs: ["c"] } },
      outputs: ["x"],
    };
    expect(
      lintPipeline(document, catalogue)
        .map(({ pointer }) => pointer)
        .toSorted(),
    ).toEqual(["/name", "/outputs/0", "/steps/a/use", "/steps/b/needs/0", "/steps/b/with/width"]);
  });

  it("survives a document that is nested too deep for recursion", () => {
    const deep = JSON.parse(`${'{"a":'.repeat(50_000)}1${"}".repeat(50_000)}`);
    expect(lintPipeline(deep, catalogue)).toMatchObject([{ message: "must not be nested deeper than 32 levels" }]);
  });
});

describe("a circle", () => {
  const needing = (needs: Record<string, string[]>) => ({
    steps: Object.fromEntries(Object.entries(needs).map(([name, of]) => [name, { use: "toy.pass", needs: of }])),
  });

  it("is named from its first step on, without the steps behind it", () => {
    const issues = lintPipeline(needing({ z: ["a"], c: ["b"], b: ["a", "y"], a: ["c"], y: [] }), catalogue);
    expect(issues).toEqual([{ pointer: "/steps/a/needs/0", message: "the steps need each other in a circle: a → c → b → a" }]);
  });
  it("is named once each, where there are several", () => {
    const issues = lintPipeline(needing({ a: ["b"], b: ["a"], d: ["c"], c: ["d", "a"] }), catalogue);
    expect(issues.map(({ pointer }) => pointer)).toEqual(["/steps/a/needs/0", "/steps/c/needs/0"]);
  });
});

describe("steps that pass on each other's files", () => {
  const chained = (steps: number, use = "toy.pass") => ({
    steps: Object.fromEntries(
      Array.from({ length: steps }, (_unused, no) => [
        `s${no}`,
        { use, needs: Array.from({ length: no }, (_other, before) => `s${before}`) },
      ]),
    ),
  });

  it("may multiply a file, up to a thousand", () => {
    expect(lintPipeline(chained(11), catalogue)).toEqual([]);
  });
  it("are refused where one file would become thousands, at the step that gets them", () => {
    const issues = lintPipeline(chained(40), catalogue);
    expect(issues[0]).toMatchObject({
      pointer: "/steps/s11/needs",
      message: expect.stringContaining("more than 1000 files for each input"),
    });
  });
  it("do not multiply through a gather, which gives one file", () => {
    expect(lintPipeline(chained(40, "toy.pack"), catalogue)).toEqual([]);
  });
});
