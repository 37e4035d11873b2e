import { expect, test } from "vitest";
import { ITEM_EDGES, JOB_EDGES, TASK_EDGES } from "./state.ts";

test.each([
  ["jobs", JOB_EDGES, { failed: ["running"] }],
  ["tasks", TASK_EDGES, { dead: ["ready"] }],
  ["items", ITEM_EDGES, { dead: ["waiting"] }],
] as const)("what has ended stays as it is, but for the retry of %s", (_of, edges, retries) => {
  const ended = Object.entries(edges).filter(([status]) =>
    ["completed", "failed", "cancelled", "succeeded", "skipped", "dead"].includes(status),
  );
  const out = Object.fromEntries(ended.filter(([, next]) => next.length > 0));
  expect(out).toEqual(retries);
});

test.each([JOB_EDGES, TASK_EDGES, ITEM_EDGES])("every edge leads to a status of the same table", (edges) => {
  for (const next of Object.values(edges)) for (const status of next) expect(Object.keys(edges)).toContain(status);
});
