import { z } from "zod";
import { ItemCode } from "@filemill/contract/errors.ts";
import { FAILURE_CLASSES } from "../../errors.ts";
import type { StageRun, StageRunBegun, StageRunDone } from "../../processors/stage-run.ts";

/** Worker → host. One task at a time; `abort` ends the one that runs. */
export type ToHost = StageRun | { readonly type: "abort" };

/** What a host is started with, as JSON in its only argument. */
export const HostOptions = z.object({
  /** Modules with further processors, absolute paths or URLs (tests). */
  extraModules: z.array(z.string()),
  /** Packages to load once the host is ready and before it has work, for example `sharp`. */
  preload: z.array(z.string()),
  /** May processors run that put hostile bytes into native code? */
  codecs: z.boolean(),
  /** Load everything, so that it is compiled and cached, and end. */
  warmUp: z.boolean(),
  /**
   * Pid of the worker: end the process group when it is gone, even if the event loop hangs. Needed where bwrap does not
   * do it. Told by the worker, because it may be gone before the host has looked.
   */
  watchdogFor: z.int().optional(),
});
export type HostOptions = z.infer<typeof HostOptions>;

/** Longer than any honest host's: the worker checks and cleans what it takes (accept-results.ts), this bounds it first. */
const MAX_FILES = 100_000;
const Text = z.string().max(2_000);
const Path = z.string().max(4_096);

const Failure = z.object({ class: z.enum(FAILURE_CLASSES), code: ItemCode, message: Text });

const KeptOutput = z.object({
  step: Text,
  content: z.union([z.object({ path: Path }), z.object({ passedEntry: z.int().nonnegative() })]),
  name: z.string().max(1_024),
  mediaType: z.string().max(255),
  sizeBytes: z.int().nonnegative(),
});

const EntryResult = z.discriminatedUnion("ok", [
  z.object({ ok: z.literal(true), outputs: z.array(KeptOutput).max(MAX_FILES), ran: z.boolean() }),
  z.object({ ok: z.literal(false), failure: Failure, step: Text }),
]);

const RecordedProfile = z.object({
  path: Path,
  sizeBytes: z.int().nonnegative(),
  wallMs: z.number().nonnegative(),
  cpuMs: z.number().nonnegative(),
  isCut: z.boolean(),
});

/** Host → worker. `aborted`: the task was given up and the host is free again. */
export type FromHost = { readonly type: "ready" } | StageRunBegun | StageRunDone | { readonly type: "aborted" };

/**
 * What a host sent. Parsed, because hostile input may have taken the host over: it then may lie about its own tenant's
 * results, but must not be able to confuse the worker.
 */
export const FromHost: z.ZodType<FromHost> = z.discriminatedUnion("type", [
  z.object({ type: z.literal("ready") }),
  z.object({ type: z.literal("begun") }),
  z.object({ type: z.literal("done"), results: z.array(EntryResult).max(MAX_FILES), profile: RecordedProfile.optional() }),
  z.object({ type: z.literal("aborted") }),
]);
