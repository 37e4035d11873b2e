import { spawn, type ChildProcess } from "node:child_process";
import { Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Logger } from "pino";
import { CHANNEL_FD, MAX_RESULT_BYTES, openChannel, type Channel, type ChannelOptions } from "./channel.ts";
import { openLastCall, type LastCall, type LastCallFile } from "./last-call.ts";
import { FromHost, type HostOptions, type ToHost } from "./messages.ts";
import { killNow, markedProcesses, memoryOf, processTree, startTime } from "./process-tree.ts";
import { SYSTEM_PATH, sandboxed, type Sandbox } from "./sandbox.ts";
import { HOST_MARKER, type HostFolder } from "./scratch.ts";

export interface HostSettings {
  readonly sandbox: Sandbox;
  readonly log: Pick<Logger, "info" | "warn">;
  /** Modules with processors besides the built-in ones, absolute paths (tests). */
  readonly extraModules: readonly string[];
  /** Packages that a new host loads while it waits for its first task, for example `sharp`. */
  readonly preload: readonly string[];
  /** Folders with code, besides the project's, that hosts may read. */
  readonly readOnly: readonly string[];
  /** V8's cache of compiled sources, only ever written by warmCompileCache; in the scratch root unless told otherwise. */
  readonly compileCache: string;
  /** Heap of JavaScript objects in a host, bytes; what codecs take comes on top and falls under a task's limit. */
  readonly heapBytes: number;
  /** No file that a host writes may be larger, bytes. */
  readonly fileBytes: number;
}

/** One running step host. */
export interface HostProcess {
  readonly pid: number;
  readonly folder: HostFolder;
  /** The host's folder as the host sees it. */
  readonly inside: string;
  /** False from the moment that it is known to end. */
  isAlive(): boolean;
  /** Rejects when the host ends, or says nothing for 15 s, before it is ready for work. */
  readonly ready: Promise<void>;
  /** Resolves once the host and everything that it started is gone. Not for each task: see onExit. */
  readonly exited: Promise<HostExit>;
  /**
   * Whoever runs a task is told of that end, at once where it has come already. One listener, replaced or taken away
   * again: a reaction to `exited` could not be, and each of a host's thousands of tasks would leave 25 KB to it.
   */
  onExit(listener: ((exit: HostExit) => void) | undefined): void;
  send(message: ToHost): void;
  /** Whoever runs a task listens; nobody does in between. */
  listen(listener: ((message: FromHost) => void) | undefined): void;
  /** The call of a step that the host began last, also after its end; undefined: none since forgetLastCall(). */
  lastCall(): LastCall | undefined;
  forgetLastCall(): void;
  usage(): { readonly memoryBytes: number; readonly processes: number };
  /** SIGKILL to the host and to all its descendants. */
  kill(): void;
}

export interface HostExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** It was ended because it sent what is no message. */
  readonly misuse: boolean;
  /** The end of what it wrote to stderr. */
  readonly lastWords: string;
}

const START_TIMEOUT_MS = 15_000;
const GONE_TIMEOUT_MS = 2_000;
const DISCONNECT_GRACE_MS = 500;
/** Walking the tree reads a file for each thread; a child's memory may be seen that much later. */
const TREE_WALK_MS = 300;
const LAST_WORDS_CHARS = 4_000;
/** One task that floods stderr must not flood the worker's log. */
const LOGGED_CHUNKS = 50;
/** A backstop per process; the wall limits end a task long before. */
const CPU_SECONDS = 86_400;
export const STEP_HOST = fileURLToPath(new URL("../../../bin/step-host.ts", import.meta.url));

/**
 * The kernel's limits: file size (in units of 512 bytes), CPU time, no core dumps. The score makes the kernel end a host
 * rather than the worker or the database when the whole machine is out of memory.
 */
const WITH_LIMITS = `ulimit -f "$1"; ulimit -t "$2"; ulimit -c 0
echo 900 2>/dev/null > /proc/self/oom_score_adj; shift 2; exec "$@"`;

/** Starts a host in its own process group. Returns at once; the host takes messages when `ready`. */
export function startHost(settings: HostSettings, folder: HostFolder): HostProcess {
  const { sandbox } = settings;
  const options: HostOptions = {
    extraModules: [...settings.extraModules],
    preload: [...settings.preload],
    codecs: sandbox.codecs,
    ...(sandbox.mode === "none" && { watchdogFor: process.pid }),
    warmUp: false,
  };
  const heapMebibytes = Math.ceil(settings.heapBytes / 1024 ** 2);
  const node = [process.execPath, `--max-old-space-size=${heapMebibytes}`, STEP_HOST, JSON.stringify(options)];
  const { command, scratch } = sandboxed(sandbox, {
    command: node,
    writable: folder.path,
    readOnly: [settings.compileCache, ...settings.readOnly],
  });
  const limits = [String(Math.ceil(settings.fileBytes / 512)), String(CPU_SECONDS)];
  const lastCall = openLastCall(folder.path);
  const child = spawn("/bin/sh", ["-c", WITH_LIMITS, "sh", ...limits, ...command], {
    cwd: folder.path,
    detached: true,
    env: environment({ scratch, marker: folder.marker, compileCache: settings.compileCache }),
    // The last two are CHANNEL_FD and LAST_CALL_FD.
    stdio: ["ignore", "ignore", "pipe", "pipe", lastCall.fd],
  });
  return follow(child, { folder, lastCall, inside: scratch, log: settings.log, marked: sandbox.mode === "none" });
}

/** All that a host's environment holds. Nothing of the worker's own is passed on: credentials may be among it. */
function environment({ scratch, marker, compileCache }: { scratch: string; marker: string; compileCache: string }): Record<string, string> {
  return {
    PATH: SYSTEM_PATH,
    LANG: "C.UTF-8",
    HOME: scratch,
    TMPDIR: join(scratch, "tmp"),
    // A worker runs as many hosts as it has slots: inside one, codecs that start a thread a core only get in each other's way.
    VIPS_CONCURRENCY: "1",
    UV_THREADPOOL_SIZE: "4",
    // glibc otherwise keeps up to 8 arenas a core, which image codecs fill and never give back.
    MALLOC_ARENA_MAX: "2",
    NODE_COMPILE_CACHE: compileCache,
    [HOST_MARKER]: marker,
  };
}

interface Followed {
  readonly folder: HostFolder;
  readonly lastCall: LastCallFile;
  readonly inside: string;
  readonly log: HostSettings["log"];
  /** Without bwrap a descendant can escape from group and tree; it is then known by its environment alone. */
  readonly marked: boolean;
}

function follow(child: ChildProcess, { folder, lastCall, inside, log, marked }: Followed): HostProcess {
  const pid = child.pid ?? 0;
  const ready = Promise.withResolvers<void>();
  const exited = Promise.withResolvers<HostExit>();
  // Nobody may be waiting for a spare when it fails; whoever takes it later still sees the rejection.
  ready.promise.catch(() => {});
  let listener: ((message: FromHost) => void) | undefined;
  let exitListener: ((exit: HostExit) => void) | undefined;
  let ended: HostExit | undefined;
  let isMisused = false;
  let lastWords = "";
  let chunks = 0;
  let finalCall: LastCall | undefined;
  let tree: readonly number[] = [];
  let walkedAt = -Infinity;

  const doomed = new Map<number, string>();
  let isGone = false;
  const kill = (): void => {
    if (pid === 0 || isGone) return;
    const escaped = marked ? markedProcesses(`${HOST_MARKER}=${folder.marker}`) : [];
    for (const victim of [...processTree(pid), ...escaped]) {
      const started = startTime(victim);
      if (started !== undefined) doomed.set(victim, started);
    }
    killNow(-pid);
    for (const [victim, started] of doomed) if (startTime(victim) === started) killNow(victim);
  };
  const late = setTimeout(() => {
    ready.reject(new Error(`A step host was not ready after ${START_TIMEOUT_MS / 1000} s. ${lastWords}`));
    kill();
  }, START_TIMEOUT_MS);

  const misuse = (issue: string | undefined): void => {
    isMisused = true;
    log.warn({ pid, issue }, "A step host sent a message that is none; it is ended.");
    kill();
  };
  const channel = channelOf(child, {
    maxBytes: MAX_RESULT_BYTES,
    onMisuse: misuse,
    onMessage(raw) {
      const message = FromHost.safeParse(raw);
      if (!message.success) misuse(message.error.issues[0]?.message);
      else if (message.data.type === "ready") {
        clearTimeout(late);
        ready.resolve();
      } else listener?.(message.data);
    },
    // A host without its channel can neither take work nor answer. One that is ending anyway gets the time to tell how.
    onClose: () => setTimeout(kill, DISCONNECT_GRACE_MS).unref(),
  });
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    lastWords = (lastWords + text).slice(-LAST_WORDS_CHARS);
    if ((chunks += 1) <= LOGGED_CHUNKS) log.warn({ pid, stderr: text.slice(0, LAST_WORDS_CHARS) }, "A step host wrote to stderr.");
  });
  child.on("error", (error) => {
    if (pid === 0) settle({ code: null, signal: null, misuse: false, lastWords: error.message });
  });
  child.on("exit", (code, signal) => {
    const drained = new Promise<void>((resolve) => void child.once("close", () => resolve()));
    // What it left behind goes too.
    kill();
    void Promise.all([allGone(doomed), Promise.race([drained, delay(GONE_TIMEOUT_MS)])]).then(() =>
      settle({ code, signal, misuse: isMisused, lastWords }),
    );
  });

  function settle(exit: HostExit): void {
    isGone = true;
    finalCall = lastCall.read();
    lastCall.close();
    clearTimeout(late);
    ready.reject(new Error(`A step host ended before it was ready (${exit.signal ?? exit.code}). ${lastWords || exit.lastWords}`));
    ended = exit;
    exited.resolve(exit);
    exitListener?.(exit);
  }

  return {
    pid,
    folder,
    inside,
    ready: ready.promise,
    exited: exited.promise,
    kill,
    isAlive: () => channel?.isOpen() === true && child.exitCode === null && child.signalCode === null && doomed.size === 0,
    send(message) {
      chunks = 0;
      channel?.send(message);
    },
    listen(next) {
      listener = next;
    },
    onExit(next) {
      exitListener = next;
      if (ended) next?.(ended);
    },
    lastCall: () => (isGone ? finalCall : lastCall.read()),
    forgetLastCall: () => lastCall.clear(),
    usage() {
      const now = performance.now();
      if (now > walkedAt + TREE_WALK_MS) {
        tree = processTree(pid);
        walkedAt = now;
      }
      return { memoryBytes: memoryOf(tree), processes: tree.length };
    },
  };
}

/** Undefined: the process could not be started at all. */
function channelOf(child: ChildProcess, options: ChannelOptions): Channel<ToHost> | undefined {
  const stream = child.stdio[CHANNEL_FD];
  // A pipe beyond stderr is a socket that carries both ways (child_process, options.stdio).
  return stream instanceof Socket ? openChannel(stream, options) : undefined;
}

async function allGone(doomed: ReadonlyMap<number, string>): Promise<void> {
  const deadline = performance.now() + GONE_TIMEOUT_MS;
  const remain = (): boolean => [...doomed].some(([pid, started]) => startTime(pid) === started);
  while (remain() && performance.now() < deadline) await delay(5);
}
