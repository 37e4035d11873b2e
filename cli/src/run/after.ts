import type { Command } from "commander";
import type { AfterPolicy, InputsFrom } from "@filemill/contract/jobs.ts";

/** What a job waits for, and whose outputs it takes. */
export interface AfterOptions {
  readonly after?: readonly string[];
  readonly afterFinished?: boolean;
  readonly inputsFrom?: readonly string[];
}

export function withAfterOptions(command: Command): Command {
  return command
    .option("--after <job...>", "start when these jobs have completed; where one does not, this one is cancelled")
    .option("--after-finished", "with --after or --inputs-from: start however they have ended")
    .option("--inputs-from <job...>", "take the outputs of these jobs as inputs; job_…:step,step only those of some steps");
}

export function afterOf({ after, afterFinished, inputsFrom }: AfterOptions): {
  after?: string[];
  after_policy?: AfterPolicy;
  inputs_from?: InputsFrom[];
} {
  return {
    ...(after && { after: [...after] }),
    ...(afterFinished === true && { after_policy: "finished" as const }),
    ...(inputsFrom && { inputs_from: inputsFrom.map(jobAndSteps) }),
  };
}

/** `job_x:small,all` names two steps of job_x; `job_x` all of its outputs. */
export function jobAndSteps(text: string): InputsFrom {
  const colon = text.indexOf(":");
  if (colon < 0) return { job: text };
  return { job: text.slice(0, colon), steps: text.slice(colon + 1).split(",") };
}
