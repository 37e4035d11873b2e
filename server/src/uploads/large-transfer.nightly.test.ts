import { expect, it } from "vitest";
import { measureTransfer } from "../../test/measure-transfer.ts";

const MIB = 2 ** 20;

it("takes and gives 1 GiB with less than 40 MiB of memory", { timeout: 300_000 }, async () => {
  const transfer = await measureTransfer(1_024 * MIB);
  expect(new Set(transfer.sha256).size).toBe(1);
  expect(transfer.growthUpBytes / MIB).toBeLessThan(40);
  expect(transfer.growthDownBytes / MIB).toBeLessThan(40);
});
