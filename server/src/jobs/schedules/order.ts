import type { Metadata } from "@filemill/contract/files.ts";
import type { ScheduleRequest } from "@filemill/contract/schedules.ts";
import type { JobSource } from "@filemill/contract/source.ts";
import type { Transaction } from "../../db/database.ts";
import type { Catalogue } from "../../processors/catalogue.ts";
import { lockInputs } from "../lock-inputs.ts";
import { resolvePipeline, type PipelineRequest } from "../pipelines/resolve.ts";
import { jobInputs, requireListFile } from "../sources/job-inputs.ts";

/** What a schedule runs, as its row keeps it. */
export interface ScheduledOrder extends PipelineRequest {
  readonly inputs: readonly string[];
  readonly source?: JobSource | undefined;
  readonly priority: number;
  readonly metadata: Metadata;
}

/** A request whose pipeline was not looked at yet: what is wrong with a document is for the linter to say. */
export type ScheduleOrder = Omit<ScheduleRequest, "pipeline"> & PipelineRequest;

/**
 * The order of a request, checked as if it were to run now, inside a transaction of the tenant: mistakes are told to
 * whoever makes them, not to the night in which they matter. Throws Problem not_found, validation_failed.
 */
export async function checkedOrder(
  transaction: Transaction,
  catalogue: Catalogue,
  given: {
    readonly tenantId: string;
    readonly request: ScheduleOrder;
  },
): Promise<ScheduledOrder> {
  const { tenantId, request } = given;
  const { pipeline, params, priority = 0, metadata = {} } = request;
  const { inputs, source } = jobInputs(request);
  await resolvePipeline(transaction, { pipeline, params }, catalogue);
  await lockInputs(transaction, tenantId, inputs);
  if (source) await requireListFile(transaction, source);
  return { pipeline, ...(params && { params }), inputs, ...(source && { source }), priority, metadata };
}
