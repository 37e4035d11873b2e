import type { Database } from "../db/database.ts";
import { isDatabaseAway } from "../db/database-errors.ts";
import type { ContentStore } from "../storage/content-store.ts";
import type { CommitResult, Committer, Completion } from "./committer.ts";
import { discardKept } from "./keep-outputs.ts";
import { unlessGivenUp } from "./unless-given-up.ts";

/** Hands a completion to the committer; where the database refuses it, its bytes are deleted. Rejects as both do. */
export async function commitCompletion(
  services: { readonly committer: Committer; readonly database: Database; readonly contents: ContentStore },
  completion: Completion,
  signal: AbortSignal,
): Promise<CommitResult> {
  const settled = services.committer.commit(completion).catch(async (error: unknown) => {
    // Only where the database said no. After anything else they may be visible, and garbage collection knows.
    if (!isDatabaseAway(error)) await discardKept(services, completion.files);
    throw error;
  });
  return await unlessGivenUp(settled, signal);
}
