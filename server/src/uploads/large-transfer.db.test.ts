import { expect, it } from "vitest";
import { measureTransfer } from "../../test/measure-transfer.ts";

const MIB = 2 ** 20;

it("takes and gives 128 MiB with less than 40 MiB of memory", { timeout: 60_000 }, async () => {
  const { sha256, growthUpBytes, growthDownBytes } = await measureTransfer(128 * MIB + 1);
  expect(new Set(sha256).size).toBe(1);
  expect(growthUpBytes / MIB).toBeLessThan(40);
  expect(growthDownBytes / MIB).toBeLessThan(40);
});
