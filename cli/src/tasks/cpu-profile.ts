import { CliError } from "../exit.ts";

/** What V8 records, as files of the .cpuprofile format hold it; times in microseconds. */
export interface CpuProfile {
  readonly nodes: readonly ProfileNode[];
  readonly endTime: number;
  readonly startTime: number;
  /** Ids of nodes. */
  readonly samples: readonly number[];
  /** Since the sample before; of the first one since the start. */
  readonly timeDeltas: readonly number[];
}

export interface ProfileNode {
  readonly id: number;
  readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  readonly children?: readonly number[];
}

/** Throws CliError where the text is no profile; `name` is told. */
export function parseProfile(text: string, name: string): CpuProfile {
  try {
    const parsed: unknown = JSON.parse(text);
    if (isProfile(parsed)) return parsed;
  } catch {
    // Said below.
  }
  throw new CliError(`${name} is no CPU profile.`);
}

/** The server has recorded it; this tells another file from one. */
function isProfile(value: unknown): value is CpuProfile {
  if (typeof value !== "object" || value === null) return false;
  const lists = ["nodes", "samples", "timeDeltas"] as const;
  return lists.every((name) => name in value && Array.isArray((value as Record<string, unknown>)[name])) && "endTime" in value;
}
