import { expect, test } from "vitest";
import { killedApi } from "./f03-killed-api.ts";

test("F03: of 200 uploads under kills none is lost or halved, and what the dead had stored is collected", async () => {
  expect((await killedApi(200, { collect: true })).findings).toEqual([]);
});
