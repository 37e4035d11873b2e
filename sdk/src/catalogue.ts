import type { Page } from "@filemill/contract/files.ts";
import type { PipelineDocument } from "@filemill/contract/pipeline.ts";
import type { LintAnswer, PipelineResource, ProcessorResource } from "@filemill/contract/pipelines.ts";
import { listOf, type List, type ListQuery } from "./pages.ts";
import type { Transport } from "./transport.ts";

export interface Pipelines {
  list(query?: ListQuery): List<PipelineResource>;
  /** The newest version of `name`, or the one of `name@version`. */
  get(name: string): Promise<PipelineResource>;
  /** Stores a new version under `name`. Rejects validation_failed with every issue. */
  put(name: string, document: PipelineDocument): Promise<PipelineResource>;
  /** Every problem at once; does not reject for a bad document. */
  lint(document: unknown): Promise<LintAnswer>;
  remove(name: string): Promise<void>;
}

export interface Processors {
  list(): Promise<ProcessorResource[]>;
}

export function pipelinesOf(transport: Transport): Pipelines {
  const one = (name: string) => `/api/v1/pipelines/${encodeURIComponent(name)}`;
  return {
    list: (query) => listOf(transport, "/api/v1/pipelines", query),
    get: (name) => transport.json({ method: "GET", path: one(name) }),
    put: (name, document) => transport.json({ method: "PUT", path: one(name), json: document }),
    lint: (document) => transport.json({ method: "POST", path: "/api/v1/pipelines/lint", json: document }),
    remove: (name) => transport.json({ method: "DELETE", path: one(name) }),
  };
}

export function processorsOf(transport: Transport): Processors {
  return {
    async list() {
      const answer = await transport.json<Page<ProcessorResource>>({ method: "GET", path: "/api/v1/processors" });
      return answer.data;
    },
  };
}
