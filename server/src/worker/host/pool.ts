import { dirname, join } from "node:path";
import type { StageRun } from "../../processors/stage-run.ts";
import { openCompileCache, warmCompileCache } from "./compile-cache.ts";
import { startHost, type HostProcess, type HostSettings } from "./host-process.ts";
import { runInFolder } from "./run-in-folder.ts";
import type { HostOutcome, TaskOptions } from "./run-on-host.ts";
import type { Sandbox } from "./sandbox.ts";
import { openScratch, type TaskFolder } from "./scratch.ts";
import { openSlots } from "./slots.ts";

/**
 * The step hosts of one worker.
 *
 * A host serves one tenant from its first task until it ends: what a hostile input did to it can only meet files of the
 * tenant whose input it was. So hosts are not shared but kept warm: an idle host waits for its tenant's next task, and
 * when another tenant needs a host the one that has been idle longest is ended. Starting one takes 0.2–0.4 s, therefore spares wait
 * without a tenant and a task whose host was just lost, or whose tenant is new, starts on a spare.
 */
export interface HostPool {
  readonly sandbox: Sandbox;
  /** A fresh private folder for one task: `scratch` of its StageRun. The caller fills, reads and removes it. */
  taskFolder(): Promise<TaskFolder>;
  /**
   * Runs a task on a host of this tenant; waits for a free slot first. `run.scratch` must come from taskFolder(), and
   * the entries lie directly in it. Outputs are regular files in the same folder, checked, once this has resolved.
   *
   * Never rejects for what a processor or a host does. A host that can't be started is `died` with class
   * `infrastructure`. Rejects when the pool is closed, and when an entry does not lie directly in `run.scratch`.
   */
  run(tenantId: string, run: StageRun, options: TaskOptions): Promise<HostOutcome>;
  /** Pids of all hosts and the tenant each serves; for metrics and tests. */
  hosts(): readonly { readonly pid: number; readonly tenantId: string | undefined; readonly isBusy: boolean }[];
  /** Ends all hosts, running tasks included, and removes the scratch folders. */
  close(): Promise<void>;
}

export type HostPoolOptions = Pick<HostSettings, "sandbox" | "log"> &
  Partial<HostSettings & typeof DEFAULTS> & {
    /** Folder on local disk, private to this machine or container; made if absent. */
    readonly scratchRoot: string;
    /** Tasks that run at the same time. */
    readonly slots: number;
  };

const NONE: readonly string[] = [];

const DEFAULTS = {
  extraModules: NONE,
  preload: NONE,
  readOnly: NONE,
  heapBytes: 512 * 1024 ** 2,
  fileBytes: 64 * 1024 ** 3,
  /** Hosts that wait without a tenant. */
  spares: 1,
  /** Hosts that are started with the pool; as many as there are to be spares, if that is more. */
  first: 0,
  /** Is the code of hosts compiled beforehand, for the many that are to come? */
  warmsCache: true,
  /** Hosts with a tenant that may be kept idle besides those that are busy, each at about 40 MB. */
  idle: 4,
  /** A host is replaced after so many tasks, because codecs leak. */
  tasksPerHost: 5_000,
  /** A host that holds more than this while it is idle is replaced, bytes. */
  idleBytes: 512 * 1024 ** 2,
};

/** A spare that can't be started is tried again after this long, doubled each time up to a minute. */
const RESTART_MS = 250;
const RESTART_MAX_MS = 60_000;
/** Looking at a host's memory costs 0.3 ms, so it is not done after each of many small tasks. */
const IDLE_LOOK_MS = 1_000;

interface Host {
  readonly process: HostProcess;
  tenantId: string | undefined;
  isBusy: boolean;
  tasks: number;
  lookedAt: number;
}

/** Collects what killed workers left, then starts the spares. Throws when the scratch folder can't be made. */
export async function openHostPool(options: HostPoolOptions): Promise<HostPool> {
  const settings = { ...DEFAULTS, ...options };
  const scratch = await openScratch(settings.scratchRoot);
  const slots = openSlots(settings.slots);
  const compileCache = await openCompileCache(settings.compileCache ?? join(settings.scratchRoot, "compile-cache"));
  const closing = new AbortController();
  const warmed = settings.warmsCache
    ? warmCompileCache({ folder: compileCache, extraModules: settings.extraModules, signal: closing.signal })
    : Promise.resolve();
  /** All hosts that are not known to be dead, those used last at the end. */
  let hosts: readonly Host[] = [];
  const leaving = new Set<Promise<void>>();
  let failedStarts = 0;
  let restart: NodeJS.Timeout | undefined;
  let isClosed = false;
  fillSpares(Math.max(settings.first, settings.spares));

  function start(): Host {
    const process = startHost({ ...settings, compileCache }, scratch.hostFolder());
    const host: Host = { process, tenantId: undefined, isBusy: false, tasks: 0, lookedAt: 0 };
    hosts = [...hosts, host];
    const gone = process.exited.then(async () => {
      hosts = hosts.filter((other) => other !== host);
      // While a task is on it, its folder still holds the task's; run() sees to it.
      if (!host.isBusy) await discardFolder(process);
    });
    leaving.add(gone);
    void gone.finally(() => leaving.delete(gone));
    process.ready.then(
      () => (failedStarts = 0),
      (error: unknown) => startFailed(error),
    );
    return host;
  }

  function startFailed(error: unknown): void {
    failedStarts += 1;
    if (isClosed) return;
    settings.log.warn({ err: error, failedStarts }, "A step host could not be started.");
    clearTimeout(restart);
    restart = setTimeout(() => fillSpares(), Math.min(RESTART_MS * 2 ** failedStarts, RESTART_MAX_MS)).unref();
  }

  function fillSpares(spares = settings.spares): void {
    const waiting = hosts.filter((host) => host.tenantId === undefined && host.process.isAlive()).length;
    for (let count = waiting; count < spares && !isClosed; count += 1) start();
  }

  function take(tenantId: string): Host {
    const free = hosts.filter((host) => !host.isBusy && host.process.isAlive());
    const host = free.findLast((each) => each.tenantId === tenantId) ?? free.find((each) => each.tenantId === undefined) ?? start();
    host.tenantId = tenantId;
    host.isBusy = true;
    hosts = [...hosts.filter((other) => other !== host), host];
    const idle = hosts.filter((other) => other.tenantId !== undefined && !other.isBusy);
    for (const oldest of idle.slice(0, Math.max(0, idle.length - settings.idle))) oldest.process.kill();
    if (failedStarts === 0) fillSpares();
    return host;
  }

  async function giveBack(host: Host): Promise<void> {
    host.isBusy = false;
    host.tasks += 1;
    if (!host.process.isAlive()) {
      await host.process.exited;
      await discardFolder(host.process);
    } else if (isClosed || host.tasks >= settings.tasksPerHost || isBloated(host)) host.process.kill();
  }

  function isBloated(host: Host): boolean {
    const now = performance.now();
    if (now < host.lookedAt + IDLE_LOOK_MS) return false;
    host.lookedAt = now;
    return host.process.usage().memoryBytes > settings.idleBytes;
  }

  async function discardFolder(process: HostProcess): Promise<void> {
    await process.folder
      .remove()
      .catch((error: unknown) => settings.log.warn({ err: error }, "A step host's scratch folder could not be removed."));
  }

  async function runInSlot(tenantId: string, run: StageRun, task: TaskOptions): Promise<HostOutcome> {
    const host = take(tenantId);
    try {
      await host.process.ready;
      const outcome = await runInFolder(host.process, run, task, settings.log);
      // close() killed it; the task is not to blame.
      return isClosed && outcome.type === "died" ? { type: "cancelled" } : outcome;
    } catch (error) {
      settings.log.warn({ err: error, tenantId }, "A task could not be given to a step host.");
      host.process.kill();
      return { type: "died", failure: { class: "infrastructure", code: "lost", message: "No step host could take this task." } };
    } finally {
      await giveBack(host);
    }
  }

  return {
    sandbox: settings.sandbox,
    taskFolder: () => scratch.taskFolder(),
    async run(tenantId, run, task) {
      if (isClosed) throw new Error("The pool of step hosts is closed.");
      refuseStrangers(run);
      if (!(await slots.take(task.signal, task.weight))) return { type: "cancelled" };
      try {
        return isClosed ? { type: "cancelled" } : await runInSlot(tenantId, run, task);
      } finally {
        slots.free(task.weight);
      }
    },
    hosts: () => hosts.map(({ process, tenantId, isBusy }) => ({ pid: process.pid, tenantId, isBusy })),
    async close() {
      isClosed = true;
      clearTimeout(restart);
      closing.abort();
      for (const host of hosts) host.process.kill();
      await Promise.all([warmed, ...leaving]);
      await slots.whenAllFree();
      await scratch.close();
    },
  };
}

/** The folder is moved as a whole and walked by nobody, so an entry elsewhere or deeper would not be found, or not be safe. */
function refuseStrangers(run: StageRun): void {
  const stranger = run.entries.find((entry) => dirname(entry.path) !== run.scratch);
  if (stranger) throw new Error(`"${stranger.path}" does not lie directly in the task's folder "${run.scratch}"; put it there.`);
}
