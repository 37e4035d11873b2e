import { expect, test } from "vitest";
import { killedApi } from "./killed-api.ts";

test("F03: an API killed in the middle of resumable uploads loses, doubles and alters nothing", { timeout: 300_000 }, async () => {
  expect(await killedApi(15)).toEqual([]);
});
