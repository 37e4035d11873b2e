import { expect, test } from "vitest";
import { amount } from "../chaos/seed.ts";
import { killedApi } from "./killed-api.ts";

/** CHAOS_F03_UPLOADS makes it more. */
test("F03: of 200 resumable uploads under kills none is lost, doubled or altered", async () => {
  expect(await killedApi(amount("CHAOS_F03_UPLOADS", 200))).toEqual([]);
});
