import { expect, test } from "vitest";
import type { Step } from "@filemill/contract/pipeline.ts";
import { toyCatalogue } from "../../test/toy-catalogue.ts";
import { planPipeline } from "./plan-pipeline.ts";

function reuseOf(steps: Record<string, Step>): (string | undefined)[] {
  return planPipeline({ steps }, {}, toyCatalogue()).stages.map((stage) => stage.reuse);
}

const image: Step = { use: "toy.image", with: { width: 1 } };
const table = (sql: string): Step => ({ use: "toy.table", with: { sql }, cache: true });

test.each<[string, Record<string, Step>, (string | undefined)[]]>([
  ["nobody asks", { a: { use: "toy.pass" } }, [undefined]],
  ["one step of the chain asks", { a: { use: "toy.pass" }, b: { use: "toy.pass", needs: ["a"], cache: true } }, ["content"]],
  ["names matter to one of them", { a: { use: "toy.pass", cache: true }, b: { ...image, needs: ["a"] } }, ["content_and_names"]],
  ["one of them forbids it", { a: { use: "toy.pass", cache: true }, b: { ...image, needs: ["a"], cache: false } }, [undefined]],
  ["one of them can't", { a: { use: "toy.pass", cache: true }, b: { use: "toy.split" } }, [undefined]],
  [
    "the stage behind does not ask",
    { a: { use: "toy.pass", cache: true }, all: { use: "toy.pack", needs: ["a"] } },
    ["content", undefined],
  ],
  ["its parameters allow it", { a: table("SELECT 1") }, ["content"]],
  ["its parameters do not", { a: table("SELECT now()") }, [undefined]],
])("%s", (_what, steps, expected) => expect(reuseOf(steps)).toEqual(expected));
