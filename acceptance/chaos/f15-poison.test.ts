import { expect, test } from "vitest";
import { until } from "./conditions.ts";
import { intend } from "./load-client.ts";
import { uuidOf } from "./public-id.ts";
import { play, type Stage } from "./scenario.ts";

const KINDS = {
  throws: { use: "demo.fail", with: { class: "crashed", only: "poison" } },
  segv: { use: "demo.crash", with: { signal: "SIGSEGV", only: "poison" } },
  silent: { use: "demo.crash", with: { signal: "exit0", only: "poison" } },
} as const;
const FILES = 5;
const ATTEMPTS = 3;

/**
 * F15. One file of a batch ends whatever touches it: by an exception, by a signal, by an exit that says nothing. It dies
 * alone after three attempts; its neighbours succeed; a redrive is written down, and tries it anew.
 */
test("F15: poison dies alone after three attempts with its class, and a redrive is audited", { timeout: 300_000 }, async () => {
  const { findings } = await play("F15", {}, async (stage) => {
    const worker = await stage.site.startWorker({ slots: 2 });
    await Promise.all(Object.keys(KINDS).map((kind) => poison(stage, kind as keyof typeof KINDS)));
    expect(worker.isRunning()).toBe(true);
  });
  expect(findings).toEqual([]);
});

async function poison({ site, client }: Stage, kind: keyof typeof KINDS): Promise<void> {
  const load = await client(kind);
  const name = (index: number) => `${kind}-${index === 2 ? "poison" : index}.bin`;
  // Two ends of each job: its own, and that after the redrive.
  const expected = { outputs: "passed" as const, dead: [name(2)], retries: 1 };
  const intent = intend(
    `f15-${kind}`,
    Array.from({ length: FILES }, (_unused, index) => 20_000 + index),
    {
      pipeline: { name: "poisoned", steps: { risky: KINDS[kind] } },
      name,
      expected,
    },
  );
  const { job_id: jobId = "" } = await load.submit(intent);
  await ended(site, jobId, 1);
  const died = { status: "dead", items: 1, attempts: ATTEMPTS, losses: 0, class: "crashed", code: "crashed" };
  expect(await deadTasks(site, jobId)).toEqual([died]);
  const answer = await fetch(`${site.url}/api/v1/admin/dead-letters/redrive`, {
    method: "POST",
    headers: { authorization: `Bearer ${site.key}`, "content-type": "application/json" },
    body: JSON.stringify({ job_id: jobId }),
  });
  expect([answer.status, await answer.json()]).toEqual([200, { tasks: 1 }]);
  await ended(site, jobId, 2);
  const dead = await deadTasks(site, jobId);
  expect(dead.at(-1)).toEqual(died);
  const audit = await site.database.query("SELECT action, actor FROM filemill.audit_entries WHERE object = $1", [jobId]);
  expect(audit).toEqual([{ action: "job.retry", actor: expect.stringMatching(/./) }]);
}

async function ended(site: Stage["site"], jobId: string, times: number): Promise<void> {
  await until(`${jobId} has ended ${times} times`, 60_000, async () => {
    const [row] = await site.database.query<{ ends: number }>(
      "SELECT count(*)::int AS ends FROM filemill.events WHERE job_id = $1 AND type = 'job.failed'",
      [uuidOf(jobId)],
    );
    return row?.ends === times;
  });
}

async function deadTasks(site: Stage["site"], jobId: string): Promise<unknown[]> {
  return await site.database.query(
    `SELECT status, items, attempts, losses, error->>'class' AS class, error->>'code' AS code
     FROM filemill.tasks WHERE job_id = $1 AND status = 'dead' ORDER BY finished_at`,
    [uuidOf(jobId)],
  );
}
