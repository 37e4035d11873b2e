import type { z } from "zod";
import type { ItemCode } from "@filemill/contract/errors.ts";

/**
 * A processor is one file in this folder: its declaration and its `run`. The declaration imports zod only; native
 * libraries are imported inside `run`, so that the API, which reads declarations, never loads a codec. From the
 * declaration come validation, the linter, OpenAPI, the catalogue endpoint, the forms of the dashboard and the docs.
 */
export interface Processor<P = unknown> {
  /** `<group>.<verb or noun>`, for example `image.resize`. */
  readonly name: string;
  /** Part of every output's lineage; raise it when the same input and parameters give other bytes. */
  readonly version: string;
  readonly title: string;
  readonly description: string;
  /** map: once per file. tree: one node of a reduction tree, over up to `fan_in` files. gather: once over all files. */
  readonly kind: "map" | "tree" | "gather";
  /** many: a fan-out, every output becomes an item of its own and the stage ends behind this step. */
  readonly emits: "one" | "many";
  /** Media types taken, `image/png` or `image/*`. Anything else is `type_mismatch`. */
  readonly accepts: readonly string[];
  readonly produces: readonly string[];
  readonly params: z.ZodType<P>;
  readonly limits: ProcessorLimits;
  readonly example: Readonly<Record<string, unknown>>;
  /** True where hostile input meets native code: with FILEMILL_SANDBOX=required it needs the sandbox. */
  readonly codec: boolean;
  /** Left out: every run is a run of its own. */
  readonly cacheable?: Cacheable<P>;
  /**
   * Left out: a step host. worker: the worker does it itself while it prepares a task's inputs, because hosts have no
   * network. Such a step begins a stage of its own with those behind it, and `run` is never called. Built-in ones only.
   */
  readonly doneBy?: "worker";
  run(context: RunContext<P>): Promise<void>;
}

/**
 * Says that the result of an earlier run may stand for a new one: version, parameters and inputs alone decide what comes
 * out; or whatever else does (how a sketch of many values was merged), the earlier result is as good.
 */
export interface Cacheable<P> {
  /** content: no input's name stands in an output or names it. */
  readonly by: "content" | "content_and_names";
  /** Parameters with which it does not hold, such as a query for the time of day. */
  unless?(params: P): boolean;
}

export interface ProcessorLimits {
  /** Resident memory of the whole step host while this runs, bytes. */
  readonly memoryBytes: number;
  /** Wall time for one call of run, ms; a step's `timeout` overrides it. */
  readonly wallMs: number;
  /** All outputs of one call together, bytes. */
  readonly outputBytes: number;
  /** Files that one call may emit. */
  readonly outputFiles: number;
}

export interface InputFile {
  /** Absolute path in the host's scratch folder; read only. */
  readonly path: string;
  /** The user's name for it; never use it in a path. */
  readonly name: string;
  readonly sizeBytes: number;
  readonly mediaType: string;
}

export interface RunContext<P> {
  readonly params: P;
  /** map: exactly one. tree: 1 to fan_in, in node order. gather: all, in item order. */
  readonly inputs: readonly InputFile[];
  /** tree: is this the last node, whose output is the result? Others hand a state to the next. True for all but trees. */
  readonly isRoot: boolean;
  /** Aborted at the time limit and on cancel; long loops look at it. */
  readonly signal: AbortSignal;
  /**
   * Reserves a new output and gives the absolute path to write it to as a regular file. `name` is what a user sees on
   * download. Outputs count in the order they were reserved, once `run` has returned.
   */
  output(file: { name: string; mediaType: string }): string;
  /** Hands an input on unchanged, without a copy. */
  pass(input: InputFile): void;
  /** Fraction done of this call, 0–1. */
  progress(fraction: number): void;
}

/** The input is at fault and no retry helps: the item dies at once with `code`. `message` tells the user why. */
export class BadInput extends Error {
  readonly code: Extract<ItemCode, "type_mismatch" | "encrypted" | "corrupt" | "limit_exceeded" | "malware">;
  constructor(code: BadInput["code"], message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "BadInput";
    this.code = code;
  }
}

/** Gives a declaration its type; the parameters of `run` follow from the schema. */
export function declareProcessor<P>(processor: Processor<P>): Processor<P> {
  return processor;
}

/** Does `mediaType` fall under one of the patterns? `image/*` covers `image/png`; `*` + `/*` covers all. */
export function acceptsMediaType(patterns: readonly string[], mediaType: string): boolean {
  return patterns.some((pattern) => {
    if (pattern === "*/*" || pattern === mediaType) return true;
    return pattern.endsWith("/*") && mediaType.startsWith(pattern.slice(0, -1));
  });
}
