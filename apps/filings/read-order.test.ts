import { expect, test } from "vitest";
import { readOrder } from "./read-order.ts";

test.each([
  [undefined, 1],
  [{}, 1],
  [{ num_jobs: 1 }, 1],
  [{ num_jobs: 10 }, 10],
  [{ num_jobs: "3" }, 3],
  [{ num_jobs: " 3 " }, 3],
  [{ num_jobs: 2.9 }, 2],
  [{ num_jobs: true }, 1],
])("%j orders %i", (body, numJobs) => {
  expect(readOrder(body)).toEqual({ numJobs });
});

test.each([{ num_jobs: 0 }, { num_jobs: 11 }, { num_jobs: -1 }, { num_jobs: false }, { num_jobs: 1e300 }, { num_jobs: "0" }])(
  "%j is out of range",
  (body) => expect(readOrder(body)).toEqual({ error: "num_jobs must be between 1 and 10" }),
);

test.each([
  { num_jobs: null },
  { num_jobs: "x" },
  { num_jobs: "" },
  { num_jobs: "2.9" },
  { num_jobs: [3] },
  { num_jobs: {} },
  null,
  [],
  "3",
  3,
])("%j is no number", (body) => expect(readOrder(body)).toEqual({ error: "num_jobs must be a valid integer" }));
