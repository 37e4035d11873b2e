import { expect, test } from "vitest";
import { wrongClocks } from "./f11-wrong-clocks.ts";

test("F11: workers whose clocks are ten minutes wrong take nothing early and leave nothing lying", async () => {
  expect((await wrongClocks({})).findings).toEqual([]);
});
