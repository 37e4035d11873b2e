import type { AfterPolicy, InputsFrom } from "@filemill/contract/jobs.ts";
import { Problem } from "../../errors.ts";

/** What a job waits for, as a request names it: public ids, each job once. */
export interface After {
  readonly jobs: readonly string[];
  readonly policy: AfterPolicy;
  /** Whose outputs are its inputs; their jobs are among `jobs`. */
  readonly inputsFrom: readonly InputsFrom[];
}

interface Given {
  readonly after?: readonly string[] | undefined;
  readonly after_policy?: AfterPolicy | undefined;
  readonly inputs_from?: InputsFrom | readonly InputsFrom[] | undefined;
}

/** Undefined for a job that waits for none. Throws Problem validation_failed. */
export function afterOf({ after = [], after_policy, inputs_from = [] }: Given): After | undefined {
  const inputsFrom = [inputs_from].flat();
  const jobs = [...new Set([...after, ...inputsFrom.map(({ job }) => job)])];
  if (jobs.length > 0) return { jobs, policy: after_policy ?? "completed", inputsFrom };
  if (after_policy === undefined) return undefined;
  const message = "means something only with `after` or `inputs_from`";
  throw new Problem("validation_failed", `after_policy ${message}.`, { issues: [{ pointer: "/after_policy", message }] });
}
