import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const model = join(import.meta.dirname, "lease.pml");
const run = promisify(execFile);

test("with two workers that stall, die and lose or double messages, no completion is doubled or stale and no lease is shared", async () => {
  const verdict = await verified({ liveness: false });
  expect(verdict).toMatchObject({ complete: true, errors: 0, violated: undefined });
  expect(verdict.states).toBeGreaterThan(100_000);
});

test("a task that a dead worker holds does not stay running", async () => {
  const verdict = await verified({ liveness: true });
  expect(verdict).toMatchObject({ complete: true, errors: 0, violated: undefined });
  expect(verdict.states).toBeGreaterThan(100_000);
});

test("without the fence a stale completion takes effect", async () => {
  const verdict = await verified({ liveness: false, sabotage: "NO_FENCE" });
  expect(verdict.errors).toBe(1);
  expect(verdict.violated).toContain("==epoch");
});

test("a reaper that does not look at the lease lets two workers believe", async () => {
  const verdict = await verified({ liveness: false, sabotage: "EAGER_REAPER" });
  expect(verdict.errors).toBe(1);
  expect(verdict.violated).toContain("holders<=1");
});

test("a worker that counts its lease from the answer, not from the request, believes too long", async () => {
  const verdict = await verified({ liveness: false, sabotage: "LATE_CLOCK" });
  expect(verdict.errors).toBe(1);
  expect(verdict.violated).toContain("holders<=1");
});

test("without a reaper a dead worker's task stays running", async () => {
  const verdict = await verified({ liveness: true, sabotage: "NO_REAPER" });
  expect(verdict.errors).toBe(1);
  expect(verdict.violated).toContain("acceptance cycle");
});

interface Verdict {
  /** Every reachable state was visited. */
  readonly complete: boolean;
  readonly errors: number;
  readonly states: number;
  /** The assertion that failed, or the cycle that was found. */
  readonly violated: string | undefined;
}

/** Runs the exhaustive search: spin makes a verifier in C, gcc builds it, it visits every reachable state. */
async function verified(options: { liveness: boolean; sabotage?: string }): Promise<Verdict> {
  const folder = await mkdtemp(join(tmpdir(), "filemill-spin-"));
  try {
    const define = options.sabotage === undefined ? [] : [`-D${options.sabotage}`];
    await run("spin", [...define, "-a", model], { cwd: folder });
    const search = options.liveness ? ["-DNFAIR=3"] : ["-DSAFETY", "-DNOCLAIM"];
    await run("gcc", ["-w", "-O2", "-DCOLLAPSE", ...search, "-o", "verifier", "pan.c"], { cwd: folder });
    const claim = options.liveness ? ["-a", "-f", "-N", "recovered"] : [];
    const { stdout } = await run(join(folder, "verifier"), ["-m2000000", ...claim], { cwd: folder });
    return {
      // A search that ran out of depth or memory has proved nothing.
      complete: !/Search not completed|max search depth too small|out of memory/.test(stdout),
      errors: Number(/errors: (\d+)/.exec(stdout)?.[1] ?? Number.NaN),
      states: Number(/^\s*(\d+) states, stored/m.exec(stdout)?.[1] ?? Number.NaN),
      violated: /pan:1: (.*) \(at depth/.exec(stdout)?.[1],
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
