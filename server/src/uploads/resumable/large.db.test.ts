import { expect, it } from "vitest";
import { measureTransfer } from "../../../test/measure-transfer.ts";
import { sendResumably } from "../../../test/send-resumably.ts";

const MIB = 2 ** 20;

it.each([
  ["in one PATCH", 129 * MIB],
  ["in PATCHes of 30 MiB", 30 * MIB],
])("takes 128 MiB %s with less than 48 MiB of memory", { timeout: 300_000 }, async (_how, partBytes) => {
  const { sha256, growthUpBytes, secondsUp } = await measureTransfer(128 * MIB + 1, sendResumably(partBytes));
  console.log(`128 MiB, ${_how}: ${secondsUp.toFixed(1)} s, ${(growthUpBytes / MIB).toFixed(0)} MiB`);
  expect(new Set(sha256).size).toBe(1);
  expect(growthUpBytes / MIB).toBeLessThan(48);
});
