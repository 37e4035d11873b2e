import { z } from "zod";
import { FileSummary } from "./files.ts";

/** Step name under which profiles are kept; no step of a pipeline can be called so. */
export const PROFILE_STEP = "@profile";

/** What one task of a profiled job recorded. */
export const ProfileResource = FileSummary.extend({
  url: z.string(),
  task_id: z.string(),
  stage: z.int(),
  steps: z.array(z.string()),
  wall_ms: z.number().describe("how long the steps ran"),
  cpu_ms: z.number().describe("CPU time of the process meanwhile, threads of native code included, which the profile does not show"),
  cut: z.boolean().describe("only its beginning was recorded"),
});

export type ProfileResource = z.infer<typeof ProfileResource>;
