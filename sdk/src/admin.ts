import type { ScrubAnswer } from "@filemill/contract/scrub.ts";
import type { TenantLimits, TenantUsage, UsageAnswer } from "@filemill/contract/usage.ts";
import { listOf, type List, type ListQuery } from "./pages.ts";
import type { Transport } from "./transport.ts";

/** The whole installation; for operators' API keys. */
export interface Admin {
  /** By name, with what they keep and may keep. */
  tenants(query?: ListQuery): List<TenantUsage>;
  /** How much a tenant may keep; null: without a limit. */
  setLimits(tenantId: string, limits: TenantLimits): Promise<UsageAnswer>;
  /** How the reading of all stored files stands, and what it found. */
  scrub(): Promise<ScrubAnswer>;
  /** Has it begin anew, within a minute. */
  startScrub(): Promise<ScrubAnswer>;
}

const ADMIN = "/api/v1/admin";

export function adminOf(transport: Transport): Admin {
  return {
    tenants: (query = {}) => listOf(transport, `${ADMIN}/tenants`, query),
    setLimits: (tenantId, limits) =>
      transport.json({ method: "PUT", path: `${ADMIN}/tenants/${encodeURIComponent(tenantId)}/limits`, json: limits }),
    scrub: () => transport.json({ method: "GET", path: `${ADMIN}/scrub` }),
    startScrub: () => transport.json({ method: "POST", path: `${ADMIN}/scrub` }),
  };
}
