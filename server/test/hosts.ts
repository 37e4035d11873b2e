import { mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { setTimeout as delay } from "node:timers/promises";
import type { StageRun, StageRunStep } from "../src/processors/stage-run.ts";
import { openHostPool, type HostPool, type HostPoolOptions } from "../src/worker/host/pool.ts";
import type { HostOutcome, TaskOptions } from "../src/worker/host/run-on-host.ts";
import { detectSandbox, type Sandbox } from "../src/worker/host/sandbox.ts";

export const TEST_FOLDER = fileURLToPath(new URL("./", import.meta.url));
export const EXTRA_MODULES = [join(TEST_FOLDER, "processors/demo.ts"), join(TEST_FOLDER, "processors/host-probe.ts")];
export const NO_SANDBOX: Sandbox = { mode: "none", codecs: true, reason: "the test wants none" };

export interface TestPool extends AsyncDisposable {
  readonly pool: HostPool;
  readonly root: string;
  /** Lines of the log: fields and message. */
  readonly logged: readonly string[];
  /** Runs one stage over the named contents and answers the outcome with the texts of its outputs. */
  run(tenantId: string, stage: TestStage): Promise<TestOutcome>;
}

export interface TestStage {
  readonly kind?: StageRun["kind"];
  readonly steps: readonly StageRunStep[];
  /** Name → content. */
  readonly files?: Readonly<Record<string, string>>;
  readonly memoryBytes?: number;
  readonly wallMs?: number;
  readonly signal?: AbortSignal;
  readonly onBegun?: TaskOptions["onBegun"];
}

export interface TestOutcome {
  readonly outcome: HostOutcome;
  readonly texts: readonly string[];
  readonly tookMs: number;
}

export async function openTestPool(options: Partial<HostPoolOptions> = {}): Promise<TestPool> {
  const root = await mkdtemp(join(tmpdir(), "filemill-hosts-"));
  const logged: string[] = [];
  const write = (fields: object, message?: string): number => logged.push(`${JSON.stringify(fields)} ${message ?? ""}`);
  const pool = await openHostPool({
    ...{ scratchRoot: root, sandbox: await detectSandbox("required"), slots: 2, extraModules: EXTRA_MODULES, readOnly: [TEST_FOLDER] },
    // Kept between runs, as in production.
    ...{ compileCache: join(TEST_FOLDER, "../../node_modules/.cache/filemill-step-hosts"), log: { info: write, warn: write } },
    ...options,
  });
  return {
    ...{ pool, root, logged, run: (tenantId: string, stage: TestStage) => runStageIn(pool, tenantId, stage) },
    async [Symbol.asyncDispose]() {
      await pool.close();
      if (options.scratchRoot === undefined) await rm(root, { recursive: true, force: true });
    },
  };
}

export function step(use: string, more: Partial<StageRunStep> = {}): StageRunStep {
  return { name: "s", use, with: {}, needs: [""], timeoutMs: 20_000, outputBytes: 2 ** 30, keep: true, ...more };
}

/** Pids of processes whose command line holds `text`. */
export async function processesWith(text: string): Promise<readonly string[]> {
  const found: string[] = [];
  for (const pid of await readdir("/proc")) {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) continue;
    const line = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
    if (line.includes(text)) found.push(pid);
  }
  return found;
}

/** Waits until `condition` holds; fails after `limitMs`. */
export async function until(condition: () => boolean | Promise<boolean>, limitMs: number): Promise<void> {
  const deadline = performance.now() + limitMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`Not so after ${limitMs} ms: ${condition}`);
    await delay(10);
  }
}

async function runStageIn(pool: HostPool, tenantId: string, stage: TestStage): Promise<TestOutcome> {
  const folder = await pool.taskFolder();
  const entries = await Promise.all(
    Object.entries(stage.files ?? { "a.txt": "hello" }).map(async ([name, content], index) => {
      const path = join(folder.path, `input-${index}`);
      await writeFile(path, content);
      return { from: "", path, name, sizeBytes: content.length, mediaType: "text/plain" };
    }),
  );
  const started = performance.now();
  const outcome = await pool.run(
    tenantId,
    { type: "run", kind: stage.kind ?? "map", steps: stage.steps, entries, scratch: folder.path },
    {
      limits: { memoryBytes: stage.memoryBytes ?? 512 * 2 ** 20, wallMs: stage.wallMs ?? 30_000 },
      signal: stage.signal ?? new AbortController().signal,
      ...(stage.onBegun && { onBegun: stage.onBegun }),
    },
  );
  const tookMs = performance.now() - started;
  const texts: string[] = [];
  if (outcome.type === "done") {
    for (const output of outcome.results.flatMap((result) => (result.ok ? result.outputs : []))) {
      texts.push("path" in output.content ? await readFile(output.content.path, "utf8") : `passed ${output.content.passedEntry}`);
    }
  }
  await folder.remove();
  return { outcome, texts, tookMs };
}
