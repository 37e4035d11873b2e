import { expect, test } from "vitest";
import { openProfileBudget } from "./profile-budget.ts";

test("of each stage of a job the first 32 tasks are profiled", () => {
  const budget = openProfileBudget();
  const taken = (jobId: string, stage: number) => Array.from({ length: 100 }, () => budget.take({ jobId, stage })).filter(Boolean).length;
  expect([taken("a", 0), taken("a", 1), taken("b", 0), taken("a", 0)]).toEqual([32, 32, 32, 0]);
});

test("what it remembers is bounded, and what is profiled now is not what it forgets", () => {
  const budget = openProfileBudget();
  for (let job = 0; job < 20_000; job++) expect(budget.take({ jobId: String(job), stage: 0 })).toBe(true);
  for (let task = 1; task < 32; task++) expect(budget.take({ jobId: "19999", stage: 0 })).toBe(true);
  expect(budget.take({ jobId: "19999", stage: 0 })).toBe(false);
});
