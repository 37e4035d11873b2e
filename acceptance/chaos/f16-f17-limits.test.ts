import { readdir, readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { until } from "./conditions.ts";
import { intend } from "./load-client.ts";
import { uuidOf } from "./public-id.ts";
import { play, type Stage } from "./scenario.ts";

/** From the death to the end of the task that waited behind it; on a machine that is busy, so many times a healthy task's time. */
const NEXT_WITHIN_MS = 2_000;
const NEXT_WITHIN_TIMES = 4;
const TIMEOUT_MS = 1_500;
const GROUP_GONE_WITHIN_MS = 2_000;

/** One slot, so that the next task can only run where the last one was. */
test(
  "F16: a processor that eats memory dies of it, its worker lives, and the next task starts within 2 s",
  { timeout: 300_000 },
  async () => {
    const { findings } = await play("F16", {}, async (stage) => {
      const worker = await stage.site.startWorker({ slots: 1 });
      const hog = { use: "demo.hog", with: { bytes: 2 ** 31, only: "poison" }, attempts: 1 };
      await diesAlone(stage, { name: "hog", step: hog, code: "resource_exhausted" });
      expect(worker.isRunning()).toBe(true);
    });
    expect(findings).toEqual([]);
  },
);

test(
  "F17: a processor that hangs, ignores SIGTERM and forks is gone with its group 2 s after its limit",
  { timeout: 300_000 },
  async () => {
    const { findings } = await play("F17", {}, async (stage) => {
      const worker = await stage.site.startWorker({ slots: 1 });
      const hang = {
        use: "demo.hang",
        with: { ignore_sigterm: true, fork: true, only: "poison" },
        timeout: `${TIMEOUT_MS}ms`,
        attempts: 1,
      };
      const appeared = until("the fork runs", 60_000, forked).then(() => performance.now());
      const [since] = await Promise.all([appeared, diesAlone(stage, { name: "hang", step: hang, code: "timeout" })]);
      await until("the fork is gone", 30_000, async () => !(await forked()));
      expect(performance.now() - since).toBeLessThan(TIMEOUT_MS + GROUP_GONE_WITHIN_MS + NEXT_WITHIN_MS);
      expect(worker.isRunning()).toBe(true);
    });
    expect(findings).toEqual([]);
  },
);

/** The poison dies with the code; another job that waited behind it ends soon after. */
async function diesAlone({ site, client }: Stage, { name, step, code }: { name: string; step: unknown; code: string }): Promise<void> {
  const load = await client(name);
  const noop = { pipeline: { name: "next", steps: { next: { use: "demo.noop" } } }, expected: { outputs: "passed" as const } };
  const sentAt = performance.now();
  const healthy = await load.submit(intend(`${name}-healthy`, [20_000], noop));
  await until("a healthy task has ended", 60_000, () => endOf(site, healthy.job_id));
  const within = Math.max(NEXT_WITHIN_MS, NEXT_WITHIN_TIMES * (performance.now() - sentAt));
  const poison = `${name}-poison.bin`;
  const bad = await load.submit(
    intend(`${name}-bad`, [20_000], {
      pipeline: { name, steps: { risky: step } },
      name: () => poison,
      expected: { outputs: "passed", dead: [poison] },
    }),
  );
  const good = await load.submit(intend(`${name}-good`, [20_000], noop));
  await until(
    "both have ended",
    60_000,
    async () => (await endOf(site, good.job_id)) !== undefined && (await endOf(site, bad.job_id)) !== undefined,
  );
  const gap = Number(await endOf(site, good.job_id)) - Number(await endOf(site, bad.job_id));
  expect(gap, "ms from the end of the bad task to the end of the next one").toBeLessThan(within);
  const answer = await fetch(`${site.url}/api/v1/jobs/${bad.job_id}/items`, { headers: { authorization: `Bearer ${site.key}` } });
  expect(await answer.json()).toMatchObject({ data: [{ status: "dead", error: { code } }] });
}

/** ms by the database's clock. */
async function endOf(site: Stage["site"], jobId: string | undefined): Promise<number | undefined> {
  const [row] = await site.database.query<{ at: number }>(
    "SELECT extract(epoch FROM finished_at)::float8 * 1000 AS at FROM filemill.tasks WHERE job_id = $1 AND status IN ('succeeded', 'dead')",
    [uuidOf(jobId ?? "")],
  );
  return row?.at;
}

/** demo.hang names its child process after its input. */
async function forked(): Promise<boolean> {
  for (const name of await readdir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    if ((await readFile(`/proc/${name}/cmdline`, "utf8").catch(() => "")).includes("demo.hang:hang-poison")) return true;
  }
  return false;
}
