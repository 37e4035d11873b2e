import { lstatSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { RecordedProfile, StageRun } from "../../processors/stage-run.ts";

/** More than any honest host writes (record-profile.ts). */
const MOST_BYTES = 32 * 1024 ** 2;

/**
 * What a host says of the profile that it wrote, with the path of the worker's view; undefined where nobody asked for one, or
 * where there is no such file. Called when the folder is out of the host's reach. What is in it is the host's word.
 */
export function acceptProfile(run: StageRun, told: RecordedProfile | undefined, insideTask: string): RecordedProfile | undefined {
  if (!run.profile || !told || dirname(told.path) !== insideTask) return undefined;
  const path = join(run.scratch, basename(told.path));
  const isInput = run.entries.some((entry) => entry.path === path);
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (isInput || !stat?.isFile() || stat.nlink !== 1 || stat.size !== told.sizeBytes || stat.size > MOST_BYTES) return undefined;
  return { ...told, path };
}
