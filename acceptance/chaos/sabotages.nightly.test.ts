import { expect, test } from "vitest";
import { stoppedWorker } from "./f02-stopped-worker.ts";
import { wrongClocks } from "./f11-wrong-clocks.ts";
import { redness } from "./redness.ts";
import type { Patch } from "./sabotage.ts";
import { vanishingWorker } from "./vanishing-worker.ts";

/**
 * A suite that can't fail proves nothing. Each of these defects, put into a copy of the sources, must be found by the
 * oracle. (A put that is acknowledged before its fsync is in f30-power-cuts.test.ts.)
 */
test("a worker that vanishes behind its last commit leaves nothing undone", { timeout: 300_000 }, async () => {
  expect((await vanishingWorker({})).findings).toEqual([]);
});

test("sabotage, complete before upload: an output without its bytes is found", { timeout: 300_000 }, async () => {
  const patches: Patch[] = [
    // An output gets its name long after its put was acknowledged.
    {
      file: "storage/disk.ts",
      find: /await (publish\(path, key\))/,
      put: 'void new Promise((later) => setTimeout(later, key.includes("/0/") ? 0 : 20_000)).then(() => $1).finally(() => unlink(path))',
    },
    { file: "storage/disk.ts", find: /(return \{ sizeBytes \};\s*\} finally \{\s*)await unlink\(path\)[^\n]*\n/, put: "$1\n" },
  ];
  const findings = await redness(patches, vanishingWorker);
  expect(findings).toMatch(/C3: GET .* answered 503|C9: GET .* answered 5|C3: .* was seen completed/);
  expect(findings).toMatch(/C6: file .* has a row and no object/);
});

test("sabotage, skip quota release: room that nobody gives back is found", { timeout: 300_000 }, async () => {
  const patches: Patch[] = [
    {
      file: "tenants/quota-reservation.ts",
      find: /DELETE FROM quota_reservations WHERE id = ANY\(\$\{held\}::uuid\[\]\) RETURNING id/,
      put: "SELECT id FROM quota_reservations WHERE id = ANY(${held}::uuid[])",
    },
  ];
  expect(await redness(patches, vanishingWorker)).toMatch(/C5: room for [1-9].* is reserved/);
});

test("sabotage, no fence: what a stopped worker brings late is found", { timeout: 300_000 }, async () => {
  const patches: Patch[] = [
    {
      file: "queue/hold.ts",
      find: /return new Set\(leases\.filter\([^\n]*\);/,
      put: "void rows; return new Set(leases.map((lease) => lease.taskId));",
    },
  ];
  expect(await redness(patches, (options) => stoppedWorker({ ...options, stoppedMs: 0 }))).toMatch(/C2: job_/);
});

test("sabotage, leases by the worker's own clock: early takeovers and leases without an end are found", { timeout: 300_000 }, async () => {
  const patches: Patch[] = [
    { file: "queue/reap.ts", find: /const expired = sql`/, put: "const expired = () => sql`" },
    { file: "queue/reap.ts", find: /\$\{expired\}/g, put: "${expired()}" },
    { file: "queue/reap.ts", find: /lease_until < now\(\)/, put: "lease_until < ${new Date()}::timestamptz" },
  ];
  expect(await redness(patches, wrongClocks)).toMatch(/F11: /);
});
