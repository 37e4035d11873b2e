import { parseSize } from "@filemill/contract/parse-units.ts";
import type { Trigger } from "@filemill/contract/pipeline.ts";
import { isMatch } from "../../is-match.ts";
import { acceptsMediaType } from "../../processors/processor.ts";
import type { PipelineTriggers } from "./kept-triggers.ts";

/** A new file, as triggers look at it. */
export interface ArrivedFile {
  readonly id: string;
  readonly name: string;
  readonly sizeBytes: number;
  readonly mediaType: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly origin: "upload" | "output";
  /** Of the job that made it: how many triggered jobs lie one behind the other up to it; 0 where no trigger made that one. */
  readonly depth: number;
}

/** One job to be. */
export interface TriggeredGroup {
  readonly pipeline: string;
  readonly params: Readonly<Record<string, unknown>> | undefined;
  /** In the order of their ids, which is that of their arrival. */
  readonly files: readonly ArrivedFile[];
  readonly depth: number;
}

export const MAX_FILES = 10_000;

/** Which jobs these files trigger. A pipeline runs once over a file, by the first of its triggers that matches. */
export function groupFiles(pipelines: readonly PipelineTriggers[], files: readonly ArrivedFile[]): TriggeredGroup[] {
  return pipelines.flatMap(({ pipeline, triggers }) => {
    const byTrigger = Map.groupBy(files, (file) => triggers.find((trigger) => isTriggeredBy(file, trigger)));
    return triggers.flatMap((trigger) =>
      inGroups(byTrigger.get(trigger) ?? [], trigger.max_files ?? MAX_FILES).map((group) => ({
        pipeline,
        params: trigger.params,
        files: group,
        depth: 1 + Math.max(...group.map(({ depth }) => depth)),
      })),
    );
  });
}

function isTriggeredBy(file: ArrivedFile, trigger: Trigger): boolean {
  const { media_type, name, metadata, min_size, max_size, outputs } = trigger;
  if (file.origin === "output" && file.depth >= (outputs?.max_depth ?? 0)) return false;
  if (media_type && !acceptsMediaType(media_type, file.mediaType)) return false;
  if (!isMatch(file.name, name)) return false;
  if (min_size !== undefined && file.sizeBytes < parseSize(min_size)) return false;
  if (max_size !== undefined && file.sizeBytes > parseSize(max_size)) return false;
  return Object.entries(metadata ?? {}).every(([key, value]) => Object.hasOwn(file.metadata, key) && file.metadata[key] === value);
}

function inGroups(files: readonly ArrivedFile[], size: number): ArrivedFile[][] {
  return Array.from({ length: Math.ceil(files.length / size) }, (_unused, index) => files.slice(index * size, (index + 1) * size));
}
