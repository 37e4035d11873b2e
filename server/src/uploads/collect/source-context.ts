import type { Readable } from "node:stream";
import type { CollectedSource } from "@filemill/contract/source.ts";
import type { FetchConfig } from "../../config-fetch.ts";
import type { SourcesConfig } from "../../config-sources.ts";
import type { ContentStore } from "../../storage/content-store.ts";
import type { AllowedTypes } from "../allowed-types.ts";
import type { Dialers } from "./dialers.ts";

export interface SourcesOptions {
  readonly contents: ContentStore;
  /** Left out: every media type. */
  readonly allowedTypes?: AllowedTypes;
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
export interface SourceContext<Spec extends CollectedSource> extends SourcesOptions {
  readonly tenantId: string;
  readonly jobId: string;
  readonly spec: Spec;
  readonly dialers: Dialers;
}
