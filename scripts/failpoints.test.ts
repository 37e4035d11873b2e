import { expect, test } from "vitest";
import { failpointPlaces, failpointProblems } from "./failpoints.ts";

test("the list holds the places of the sources, each name once", async () => {
  const places = await failpointPlaces();
  expect(places.map(({ name }) => name)).toEqual(
    expect.arrayContaining(["commit-before-commit", "upload-after-commit", "disk-after-fsync"]),
  );
  expect(failpointProblems(places)).toEqual([]);
});

test("a doubled name, a computed one and an odd one are told apart", () => {
  const problems = failpointProblems([
    { name: "twice", place: "a.ts:1" },
    { name: "twice", place: "b.ts:2" },
    { name: "", place: "c.ts:3" },
    { name: "Odd_Name", place: "d.ts:4" },
  ]);
  expect(problems.map((problem) => problem.split(":")[0])).toEqual(['failpoint "twice" stands at 2 places (a.ts', "c.ts", "d.ts"]);
});
