import { describe, expect, it } from "vitest";
import { loadCatalogue } from "../../processors/catalogue.ts";
import { planPipeline } from "../plan-pipeline.ts";
import { BUILT_IN_PIPELINES } from "./built-in.ts";
import { FILINGS } from "./filings.ts";
import { lintPipeline } from "./lint.ts";

const catalogue = await loadCatalogue();

describe("built-in pipelines", () => {
  it.each(BUILT_IN_PIPELINES.map((document) => [document.name, document] as const))(
    "%s is sound and plans without parameters",
    (_name, document) => {
      expect(lintPipeline(document, catalogue)).toEqual([]);
      expect(planPipeline(document, {}, catalogue).stages.length).toBeGreaterThan(0);
    },
  );

  it("for filings does all of a document in one task, so that nothing between is stored", () => {
    expect(planPipeline(FILINGS, {}, catalogue).stages).toHaveLength(1);
  });

  it("have names of their own", () => {
    const names = BUILT_IN_PIPELINES.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
  });
});
