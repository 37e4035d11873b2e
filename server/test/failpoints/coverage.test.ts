import { expect, test } from "vitest";
import { failpointPlaces } from "../../../scripts/failpoints.ts";
import * as places from "./places.ts";

test("a process is killed at every failpoint that the sources have, and at no other", async () => {
  const killed = [...new Set(Object.values(places).flat())].sort();
  const there = (await failpointPlaces()).map(({ name }) => name).sort();
  expect(killed).toEqual(there);
});
