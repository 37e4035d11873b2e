import { expect, it } from "vitest";
import { measureTransfer } from "../../../test/measure-transfer.ts";
import { sendResumably } from "../../../test/send-resumably.ts";

const MIB = 2 ** 20;

it.each([
  ["in one PATCH", 1_024 * MIB],
  ["in PATCHes of 50 MiB", 50 * MIB],
])("takes 1 GiB %s with less than 48 MiB of memory", { timeout: 600_000 }, async (how, partBytes) => {
  const { sha256, growthUpBytes, secondsUp } = await measureTransfer(1_024 * MIB, sendResumably(partBytes));
  console.log(`1 GiB ${how}: ${secondsUp.toFixed(1)} s, ${(growthUpBytes / MIB).toFixed(0)} MiB`);
  expect(new Set(sha256).size).toBe(1);
  expect(growthUpBytes / MIB).toBeLessThan(48);
});
