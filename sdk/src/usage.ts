import type { Retention } from "@filemill/contract/files.ts";
import type { UsageAnswer } from "@filemill/contract/usage.ts";
import type { Transport } from "./transport.ts";

/** What the tenant keeps. */
export interface Usage {
  /** Exact at the moment of the answer. */
  get(): Promise<UsageAnswer>;
  /** How long files are kept that say nothing themselves, such as "30d"; null: until somebody deletes them. */
  retention(): Promise<Retention>;
  setRetention(keep: string | null): Promise<Retention>;
}

export function usageOf(transport: Transport): Usage {
  return {
    get: () => transport.json({ method: "GET", path: "/api/v1/usage" }),
    retention: () => transport.json({ method: "GET", path: "/api/v1/retention" }),
    setRetention: (keep) => transport.json({ method: "PUT", path: "/api/v1/retention", json: { default: keep } }),
  };
}
