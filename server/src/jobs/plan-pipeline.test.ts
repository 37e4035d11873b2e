import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { PipelineDocument, Step } from "@filemill/contract/pipeline.ts";
import { toyCatalogue } from "../../test/toy-catalogue.ts";
import { Problem } from "../errors.ts";
import { planPipeline } from "./plan-pipeline.ts";
import type { Plan, StagePlan } from "./plan.ts";

const catalogue = toyCatalogue();

describe("stages", () => {
  it("fuses a chain of map steps and ends at a reduce", () => {
    const plan = planned({ a: { use: "toy.pass" }, b: { use: "toy.pass", needs: ["a"] }, all: { use: "toy.pack", needs: ["b"] } });
    expect(shapeOf(plan)).toEqual(["map a b <-inputs", "gather all <-0"]);
    expect(plan.stages[0]?.steps.map(({ name, output, feeds }) => ({ name, output, feeds }))).toEqual([
      { name: "a", output: false, feeds: [] },
      { name: "b", output: false, feeds: [1] },
    ]);
    expect(plan.stages[1]?.steps[0]).toMatchObject({ name: "all", output: true, onError: "fail", timeoutMs: 30_000 });
  });

  it("fuses branches of the inputs and the step that joins them", () => {
    expect(shapeOf(planned({ a: { use: "toy.pass" }, b: { use: "toy.pass" }, c: { use: "toy.pass", needs: ["a", "b"] } }))).toEqual([
      "map a b c <-inputs",
    ]);
  });

  it("keeps apart what differs in lane, attempts or batch, and ignores the order of a batch's keys", () => {
    const plan = planned({
      a: { use: "toy.pass", batch: { fraction: 0.5, sequential: true } },
      b: { use: "toy.pass", needs: ["a"], batch: { sequential: true, fraction: 0.5 } },
      c: { use: "toy.pass", needs: ["b"], lane: "heavy" },
      d: { use: "toy.pass", needs: ["c"], lane: "heavy", attempts: 5 },
    });
    expect(shapeOf(plan)).toEqual(["map a b <-inputs", "map c <-0", "map d <-1"]);
    expect(plan.stages.map(({ lane, attempts, batch }) => ({ lane, attempts, batch }))).toEqual([
      { lane: "default", attempts: 3, batch: { fraction: 0.5, sequential: true } },
      { lane: "heavy", attempts: 3, batch: undefined },
      { lane: "heavy", attempts: 5, batch: undefined },
    ]);
  });

  it("ends behind a fan-out, and leaves its siblings in the stage", () => {
    const plan = planned({
      split: { use: "toy.split" },
      side: { use: "toy.pass" },
      behind: { use: "toy.pass", needs: ["split"] },
      last: { use: "toy.pass", needs: ["behind"] },
    });
    expect(shapeOf(plan)).toEqual(["map side split <-inputs", "map behind last <-0"]);
  });

  it("begins a stage with a step that the worker does, in which all others stand behind it", () => {
    const plan = planned({
      side: { use: "toy.pass" },
      fetched: { use: "toy.fetch" },
      read: { use: "toy.pass", needs: ["fetched"] },
      last: { use: "toy.pass", needs: ["fetched", "read"] },
      both: { use: "toy.pass", needs: ["read", "side"] },
      again: { use: "toy.fetch", needs: ["read"] },
    });
    expect(shapeOf(plan)).toEqual(["map fetched read last <-inputs", "map again <-0", "map side <-inputs", "map both <-0 <-2"]);
    expect(shapeOf(planned({ fetched: { use: "toy.fetch" }, side: { use: "toy.pass" } }))).toEqual([
      "map fetched <-inputs",
      "map side <-inputs",
    ]);
  });

  it("opens a new stage for a step that needs two stages", () => {
    const plan = planned({ a: { use: "toy.pass" }, g: { use: "toy.pack", needs: ["a"] }, b: { use: "toy.pass", needs: ["a", "g"] } });
    expect(shapeOf(plan)).toEqual(["map a <-inputs", "gather g <-0", "map b <-0 <-1"]);
  });

  it("never lets a stage feed itself through a gather", () => {
    const plan = planned({
      a: { use: "toy.pass" },
      g: { use: "toy.pack", needs: ["a"] },
      b: { use: "toy.pass", needs: ["g"] },
      c: { use: "toy.pass", needs: ["b"] },
    });
    expect(shapeOf(plan)).toEqual(["map a <-inputs", "gather g <-0", "map b c <-1"]);
  });

  it("gives a tree its fan-in, 5 unless told", () => {
    const plan = planned({ a: { use: "toy.sum" }, b: { use: "toy.sum", fan_in: 9 } });
    expect(plan.stages.map(({ kind, fanIn }) => [kind, fanIn])).toEqual([
      ["tree", 5],
      ["tree", 9],
    ]);
  });

  it("does not depend on the order of the document's keys", () => {
    const steps: Record<string, Step> = {
      z: { use: "toy.pass" },
      m: { use: "toy.split", needs: ["z"] },
      a: { use: "toy.sum", needs: ["m"] },
    };
    expect(planned(Object.fromEntries(Object.entries(steps).toReversed()))).toEqual(planned(steps));
  });
});

describe("is the number of entries known", () => {
  const known = (steps: PipelineDocument["steps"]) => planned(steps).stages.map(({ countKnown }) => countKnown);

  it("without a fan-out or a reduce above, also where `when` lets files pass by", () => {
    expect(known({ a: { use: "toy.pass", when: { media_type: ["text/*"] } }, sum: { use: "toy.sum", needs: ["a"] } })).toEqual([
      true,
      true,
    ]);
  });
  it("not below a fan-out, not even further down", () => {
    const steps = { a: { use: "toy.split" }, b: { use: "toy.pass", needs: ["a"] }, sum: { use: "toy.sum", needs: ["b"] } };
    expect(known(steps)).toEqual([true, false, false]);
  });
  it("not below a reduce", () => {
    expect(known({ g: { use: "toy.pack" }, b: { use: "toy.pass", needs: ["g"] } })).toEqual([true, false]);
  });
  it("not where one entry runs a step twice", () => {
    const steps = { a: { use: "toy.pass" }, b: { use: "toy.pass" }, c: { use: "toy.pass", needs: ["a", "b"] } };
    expect(known({ ...steps, sum: { use: "toy.sum", needs: ["c"] } })).toEqual([true, false]);
    expect(known({ ...steps, sum: { use: "toy.sum", needs: ["a", "b"] } })).toEqual([true, true]);
  });
});

describe("is the number of entries known, where a stage takes two steps of another", () => {
  it("is not, because each item comes in twice", () => {
    const plan = planned({
      a: { use: "toy.pass" },
      b: { use: "toy.pass" },
      c: { use: "toy.pass", needs: ["a", "b"], lane: "heavy" },
      sum: { use: "toy.sum", needs: ["c"] },
    });
    expect(plan.stages.map(({ countKnown }) => countKnown)).toEqual([true, true, false]);
  });
});

describe("parameters", () => {
  const document: PipelineDocument = {
    params: { properties: { width: { type: "integer", minimum: 1, default: 200 }, who: { type: "string" } } },
    steps: { a: { use: "toy.image", with: { width: "${params.width}", label: "for ${params.who}: ${params.width} px" } } },
  };
  const withOf = (params: Record<string, unknown>) => planPipeline(document, params, catalogue).stages[0]?.steps[0]?.with;

  it("keep their JSON type alone, become text inside text, and defaults of schema and processor are written down", () => {
    expect(withOf({ who: "Ada" })).toEqual({ width: 200, label: "for Ada: 200 px", fit: "inside" });
  });
  it("are refused by the schema with a pointer", () => {
    expect(issuesOf(() => withOf({ width: 0, wdth: 3 })).map(({ pointer, suggestion }) => [pointer, suggestion])).toEqual([
      ["/params/wdth", 'Did you mean "width"?'],
      ["/params/width", undefined],
    ]);
  });
  it("are refused by the processor where the schema let them through", () => {
    expect(issuesOf(() => withOf({ width: 20_000 })).map(({ pointer }) => pointer)).toEqual(["/steps/a/with/width"]);
  });
  it("leave a key out when they have no value", () => {
    const steps: PipelineDocument["steps"] = { a: { use: "toy.image", with: { width: 5, label: "${params.who}" } } };
    expect(planPipeline({ ...document, steps }, {}, catalogue).stages[0]?.steps[0]?.with).toEqual({ width: 5, fit: "inside" });
  });
  it("are kept as written for a processor that transforms them", () => {
    const steps: PipelineDocument["steps"] = { a: { use: "toy.check", with: { max_size: "50MiB" } } };
    expect(planPipeline({ steps }, {}, catalogue).stages[0]?.steps[0]?.with).toEqual({ max_size: "50MiB" });
  });
});

describe("any acyclic pipeline", () => {
  const USES = ["toy.pass", "toy.pass", "toy.pass", "toy.split", "toy.sum", "toy.pack"];
  const step = (index: number): fc.Arbitrary<{ use: string; lane: string; needs: number[] }> =>
    fc.record({
      use: fc.constantFrom(...USES),
      lane: fc.constantFrom("default", "default", "heavy"),
      needs: index === 0 ? fc.constant([]) : fc.uniqueArray(fc.nat(index - 1), { maxLength: 3 }),
    });
  // Names run against the order of the needs, so that no order is right by chance.
  const nameOf = (index: number) => `s${String(99 - index).padStart(2, "0")}`;
  const pipeline = fc
    .integer({ min: 1, max: 14 })
    .chain((size) => fc.tuple(...Array.from({ length: size }, (_, index) => step(index))))
    .map((steps: { use: string; lane: string; needs: number[] }[]) =>
      Object.fromEntries(steps.map((entry, index) => [nameOf(index), { ...entry, needs: entry.needs.map(nameOf) }])),
    );

  it("plans into stages that hold each step once, in an order that respects every need", () => {
    fc.assert(
      fc.property(pipeline, (steps) => {
        const plan = planned(steps);
        const placed = plan.stages.flatMap((stage) => stage.steps.map((member) => member.name));
        expect(placed.toSorted()).toEqual(Object.keys(steps).toSorted());
        plan.stages.forEach((stage, no) => {
          expect(stage.no).toBe(no);
          expect(stage.feeders.every((feeder) => feeder < no)).toBe(true);
          for (const member of stage.steps) {
            const outside = member.needs.filter((need) => need !== "" && !stage.steps.some(({ name }) => name === need));
            const before = placed.slice(0, placed.indexOf(member.name));
            expect(member.needs.every((need) => need === "" || before.includes(need))).toBe(true);
            for (const need of outside) {
              const feeder = plan.stages.find((other) => other.steps.some(({ name }) => name === need));
              expect(stage.feeders).toContain(feeder?.no);
              expect(feeder?.steps.find(({ name }) => name === need)?.feeds).toContain(no);
            }
            const insideMany = stage.steps.filter(({ name, emits }) => emits === "many" && member.needs.includes(name));
            expect(insideMany).toEqual([]);
          }
          expect(stage.kind === "map" || stage.steps.length === 1).toBe(true);
        });
      }),
    );
  });

  it("never splits two connected map steps that could be one stage", () => {
    fc.assert(
      fc.property(pipeline, (steps) => {
        const { stages } = planned(steps);
        for (const [name, { needs, lane }] of Object.entries(steps)) {
          const own = stages.find((stage) => holds(stage, name));
          const only = needs.length === 1 ? stages.find((stage) => holds(stage, needs[0] ?? "")) : undefined;
          const above = only?.steps.find((member) => member.name === needs[0]);
          if (own?.kind === "map" && only?.kind === "map" && only.lane === lane && above?.emits === "one") expect(own).toBe(only);
        }
      }),
    );
  });
});

function planned(steps: PipelineDocument["steps"]): Plan {
  return planPipeline({ steps }, {}, catalogue);
}

function holds(stage: StagePlan, step: string): boolean {
  return stage.steps.some(({ name }) => name === step);
}

function shapeOf(plan: Plan): string[] {
  return plan.stages.map((stage) =>
    [
      stage.kind,
      ...stage.steps.map(({ name }) => name),
      ...(stage.takesInputs ? ["<-inputs"] : []),
      ...stage.feeders.map((no) => `<-${no}`),
    ].join(" "),
  );
}

function issuesOf(work: () => unknown): { pointer: string; suggestion?: string | undefined }[] {
  try {
    work();
  } catch (error) {
    if (error instanceof Problem) return [...(error.issues ?? [])].toSorted((left, right) => (left.pointer < right.pointer ? -1 : 1));
    throw error;
  }
  return [];
}
