import { expect, test } from "vitest";
import { wrongClocks } from "./f11-wrong-clocks.ts";
import { redness } from "./redness.ts";
import type { Patch } from "./sabotage.ts";

test("sabotage, leases by the worker's own clock: early takeovers and leases without an end are found", { timeout: 300_000 }, async () => {
  const patches: Patch[] = [
    { file: "queue/reap.ts", find: /const expired = sql`/, put: "const expired = () => sql`" },
    { file: "queue/reap.ts", find: /\$\{expired\}/g, put: "${expired()}" },
    { file: "queue/reap.ts", find: /lease_until < now\(\)/, put: "lease_until < ${new Date()}::timestamptz" },
  ];
  expect(await redness(patches, wrongClocks)).toMatch(/F11: /);
});
