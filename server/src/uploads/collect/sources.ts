import { bulkhead } from "cockatiel";
import type { Readable } from "node:stream";
import type { JobSource } from "@filemill/contract/source.ts";
import type { FetchConfig } from "../../config-fetch.ts";
import type { SourcesConfig } from "../../config-sources.ts";
import type { Source, Sources } from "../../jobs/sources/source.ts";
import type { ContentStore } from "../../storage/content-store.ts";
import { openDialers, type Dialers } from "./dialers.ts";
import { azureSource } from "./azure.ts";
import { folderSource } from "./folder.ts";
import { s3Source } from "./s3.ts";
import { urlsSource } from "./urls.ts";

export interface SourcesOptions {
  readonly contents: ContentStore;
  /** What the operator has named and allowed. */
  readonly config: SourcesConfig;
  readonly fetch: FetchConfig;
  /** Of one file. */
  readonly maxFileBytes: number;
  /** The stored content of a tenant's file from this byte on; rejects where there is none. */
  readonly openStored: (file: { tenantId: string; fileId: string; start: number }) => Promise<Readable>;
  /** For `tenants` of what is configured. */
  readonly tenantName: (tenantId: string) => Promise<string | undefined>;
}

/** What a source needs to know and have. */
export interface SourceContext<Spec extends JobSource> extends SourcesOptions {
  readonly tenantId: string;
  readonly jobId: string;
  readonly spec: Spec;
  readonly dialers: Dialers;
}

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
    close: () => dialers.close(),
  };
}

async function openKind(context: Omit<SourceContext<JobSource>, "spec">, spec: JobSource): Promise<Source> {
  if (spec.kind === "urls") return urlsSource({ ...context, spec });
  if (spec.kind === "s3") return await s3Source({ ...context, spec });
  if (spec.kind === "azure") return await azureSource({ ...context, spec });
  return await folderSource({ ...context, spec });
}
