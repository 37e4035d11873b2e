import { basename, join } from "node:path";
import type { StageRunDone, StageRun } from "../../processors/stage-run.ts";
import { acceptProfile } from "./accept-profile.ts";
import { acceptResults } from "./accept-results.ts";
import type { HostProcess, HostSettings } from "./host-process.ts";
import { runOnHost, type HostOutcome, type TaskOptions } from "./run-on-host.ts";

/**
 * Moves the task's folder to the host, runs the task with the paths that the host sees, moves the folder back and
 * checks what the host says it has made. A host that left anything behind, or lied, is ended.
 *
 * Throws when the folder can't be moved.
 */
export async function runInFolder(host: HostProcess, run: StageRun, task: TaskOptions, log: HostSettings["log"]): Promise<HostOutcome> {
  const inside = join(host.inside, "task");
  const entries = run.entries.map((entry) => ({ ...entry, path: join(inside, basename(entry.path)) }));
  const folder = host.folder.take(run.scratch);
  let outcome: HostOutcome;
  try {
    outcome = await runOnHost(host, { ...run, scratch: inside, entries }, task);
  } finally {
    if (!host.isAlive() || !folder.isFlat()) {
      host.kill();
      await host.exited;
      await folder.flatten();
    }
    folder.giveBack();
    if (host.isAlive() && !host.folder.isEmpty()) host.kill();
  }
  return outcome.type === "done" ? checked(outcome) : outcome;

  function checked({ results, profile }: Pick<StageRunDone, "results" | "profile">): HostOutcome {
    try {
      return { type: "done", results: acceptResults(run, results, inside), profile: acceptProfile(run, profile, inside) };
    } catch (error) {
      log.warn({ err: error, pid: host.pid }, "A step host told of results that are not there; it is ended.");
      host.kill();
      return {
        type: "died",
        failure: { class: "crashed", code: "crashed", message: "The process that ran this step answered with results that are not there." },
      };
    }
  }
}
