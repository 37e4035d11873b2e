import { expect, test } from "vitest";
import { measure, quantile } from "./measure.ts";

test("every round measures everyone, starting with another each time, and takes all down", async () => {
  const calls: string[] = [];
  const contestant = (name: string, values: number[]) => ({
    name,
    measure: () => {
      calls.push(name);
      return Promise.resolve(values.shift() ?? Number.NaN);
    },
    takeDown: () => Promise.resolve(void calls.push(`${name} down`)),
  });
  const row = { name: "r", unit: "ms", better: "lower" as const, rounds: 3 };
  const figures = await measure({ ...row, contestants: [contestant("a", [10, 30, 20]), contestant("b", [40, 40, 40])] });
  expect(calls).toEqual(["a", "b", "b", "a", "a", "b", "a down", "b down"]);
  expect(figures).toEqual([
    { name: "a", median: 20, min: 10, max: 30, timesFirst: 1 },
    { name: "b", median: 40, min: 40, max: 40, timesFirst: 0.5 },
  ]);
});

test("what was set up is taken down when a measurement fails", async () => {
  let down = 0;
  const failing = {
    name: "f",
    measure: () => Promise.reject(new Error("broken")),
    takeDown: () => {
      down++;
      return Promise.resolve();
    },
  };
  await expect(measure({ name: "r", unit: "ms", better: "lower", rounds: 1, contestants: [failing] })).rejects.toThrow("broken");
  expect(down).toBe(1);
});

test("the median of an even number of samples is the upper of the two in the middle", () => {
  expect(quantile([4, 1, 3, 2], 0.5)).toBe(3);
  expect(quantile([5], 0.99)).toBe(5);
});
