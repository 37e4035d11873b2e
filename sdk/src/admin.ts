import type { ScrubAnswer } from "@filemill/contract/scrub.ts";
import type { TenantLimits, TenantUsage, UsageAnswer } from "@filemill/contract/usage.ts";
import type { AdminMetrics, LaneBacklog, WorkerResource, WorkersResized } from "@filemill/contract/workers.ts";
import { listOf, type List, type ListQuery } from "./pages.ts";
import type { Transport } from "./transport.ts";

/** The whole installation; for operators' API keys. */
export interface Admin {
  /** By name, with what they keep and may keep. */
  tenants(query?: ListQuery): List<TenantUsage>;
  /** How much a tenant may keep; null: without a limit. */
  setLimits(tenantId: string, limits: TenantLimits): Promise<UsageAnswer>;
  metrics(): Promise<AdminMetrics>;
  /** Tasks that are ready or running, by lane. */
  queues(): Promise<LaneBacklog[]>;
  /** Worker processes of the last hour. */
  workers(): Promise<WorkerResource[]>;
  /** Has the machine run so many worker processes; conflict where something else starts them. */
  setWorkers(count: number): Promise<WorkersResized>;
  /** How the reading of all stored files stands, and what it found. */
  scrub(): Promise<ScrubAnswer>;
  /** Has it begin anew, within a minute. */
  startScrub(): Promise<ScrubAnswer>;
}

const ADMIN = "/api/v1/admin";

export function adminOf(transport: Transport): Admin {
  const data = async <T>(path: string) => (await transport.json<{ data: T[] }>({ method: "GET", path })).data;
  return {
    tenants: (query = {}) => listOf(transport, `${ADMIN}/tenants`, query),
    setLimits: (tenantId, limits) =>
      transport.json({ method: "PUT", path: `${ADMIN}/tenants/${encodeURIComponent(tenantId)}/limits`, json: limits }),
    metrics: () => transport.json({ method: "GET", path: `${ADMIN}/metrics` }),
    queues: () => data(`${ADMIN}/queues`),
    workers: () => data(`${ADMIN}/workers`),
    setWorkers: (count) => transport.json({ method: "PUT", path: `${ADMIN}/workers`, json: { count } }),
    scrub: () => transport.json({ method: "GET", path: `${ADMIN}/scrub` }),
    startScrub: () => transport.json({ method: "POST", path: `${ADMIN}/scrub` }),
  };
}
