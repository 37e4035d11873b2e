import { expect, test } from "vitest";
import { killedApi } from "./f03-killed-api.ts";
import { amount } from "./seed.ts";

/** CHAOS_F03_UPLOADS makes it more. */
test("F03: an API killed in the middle of uploads loses and halves nothing", { timeout: 600_000 }, async () => {
  expect((await killedApi(amount("CHAOS_F03_UPLOADS", 20))).findings).toEqual([]);
});
