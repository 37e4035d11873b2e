import type { Verdict } from "./checker.ts";
import { sabotaged, type Patch } from "./sabotage.ts";

/** All that the scenario and the oracle say about a checkout with these patches. */
export async function redness(patches: readonly Patch[], scenario: (options: { root: string }) => Promise<Verdict>): Promise<string> {
  return await sabotaged(patches, async (root) => (await scenario({ root })).findings.join("\n"));
}
