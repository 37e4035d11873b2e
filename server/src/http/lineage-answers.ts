import { encodeId } from "@filemill/contract/ids.ts";
import type * as wire from "@filemill/contract/lineage.ts";
import type { JobHistory } from "../jobs/step-history.ts";
import type { Lineage } from "../outputs/lineage.ts";
import type { LineageFile } from "../outputs/lineage-files.ts";
import type { LineageEdge } from "../outputs/lineage-links.ts";

/** A file's history, as the wire shows it. `jobs` by uuid. */
export function lineageAnswer(lineage: Lineage, jobs: ReadonlyMap<string, JobHistory>): wire.LineageAnswer {
  const files = lineage.files.map(fileOf);
  return {
    file_id: files[0]?.id ?? "",
    files,
    edges: lineage.edges.map((edge) => edgeOf(edge, jobs.get(edge.jobId))),
    truncated: lineage.truncated,
  };
}

function fileOf(file: LineageFile): wire.LineageFile {
  return {
    id: encodeId("file", file.id),
    name: file.name,
    size: file.sizeBytes,
    sha256: file.sha256,
    media_type: file.mediaType,
    status: file.status,
    origin: file.origin,
    created_at: file.createdAt,
    source: file.source && {
      ...{ kind: file.source.kind, location: file.source.location, etag: file.source.etag },
      modified_at: file.source.modifiedAt,
      collected_at: file.source.collectedAt,
    },
  };
}

function edgeOf(edge: LineageEdge, job: JobHistory | undefined): wire.LineageEdge {
  return {
    job_id: encodeId("job", edge.jobId),
    job_deleted: job?.isDeleted ?? true,
    pipeline: job?.pipelineName ?? null,
    item: edge.kind === "map" ? edge.ordinal : null,
    steps: stepsOf(edge, job),
    inputs: edge.inputs.map((id) => encodeId("file", id)),
    inputs_total: edge.inputsTotal,
    output: encodeId("file", edge.output),
    passed: edge.passed,
    cached: edge.reusedFrom !== null,
    reused_from: edge.reusedFrom === null ? null : encodeId("file", edge.reusedFrom),
  };
}

function stepsOf(edge: LineageEdge, job: JobHistory | undefined): wire.LineageStep[] {
  const chain = job?.steps[edge.step];
  if (!chain) return [{ step: edge.step, processor: edge.processor, version: edge.processorVersion, parameters_sha256: null }];
  return chain.map(({ parametersSha256, ...step }) => ({ ...step, parameters_sha256: parametersSha256 }));
}
