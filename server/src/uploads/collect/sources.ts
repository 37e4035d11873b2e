import { bulkhead } from "cockatiel";
import type { CollectedSource } from "@filemill/contract/source.ts";
import type { Source, Sources } from "../../jobs/sources/source.ts";
import { openDialers } from "./dialers.ts";
import { azureSource } from "./azure.ts";
import { fetchToFile } from "./fetch-to-file.ts";
import { folderSource } from "./folder.ts";
import { s3Source } from "./s3.ts";
import type { SourceContext, SourcesOptions } from "./source-context.ts";
import { urlsSource } from "./urls.ts";

/** Objects that a worker fetches at the same time, over all its tasks. */
const MAX_FETCHES = 16;

/** Lists and fetches for all jobs of a worker. */
export function createSources(options: SourcesOptions): Sources {
  const dialers = openDialers(options.fetch);
  const fetches = bulkhead(MAX_FETCHES, Number.POSITIVE_INFINITY);
  return {
    async open({ tenantId, jobId, spec }) {
      const source = await openKind({ ...options, tenantId, jobId, dialers }, spec);
      return { ...source, collect: (reference, given) => fetches.execute(() => source.collect(reference, given), given.signal) };
    },
    fetch: (request) => {
      const maxBytes = Math.min(request.maxBytes, options.maxFileBytes);
      const inTurn = <T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> => fetches.execute(work, signal);
      return fetchToFile({ dialer: dialers.open, inTurn }, { ...request, maxBytes });
    },
    close: () => dialers.close(),
  };
}

async function openKind(context: Omit<SourceContext<CollectedSource>, "spec">, spec: CollectedSource): Promise<Source> {
  if (spec.kind === "urls") return urlsSource({ ...context, spec });
  if (spec.kind === "s3") return await s3Source({ ...context, spec });
  if (spec.kind === "azure") return await azureSource({ ...context, spec });
  return await folderSource({ ...context, spec });
}
