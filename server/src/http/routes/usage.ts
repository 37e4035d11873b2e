import { Page } from "@filemill/contract/files.ts";
import { decodeId, encodeId } from "@filemill/contract/ids.ts";
import { TenantLimits, TenantUsage, UsageAnswer } from "@filemill/contract/usage.ts";
import type { FastifyPluginAsync } from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import { z } from "zod";
import { notFound } from "../../errors.ts";
import { listTenants } from "../../tenants/list-tenants.ts";
import { setLimits } from "../../tenants/set-limits.ts";
import { readLimits, readUsage, type TenantLimits as Limits, type Usage } from "../../tenants/usage.ts";
import { decodePlace, encodePlace } from "../place-cursor.ts";
import type { Services } from "../services.ts";

const TenantsQuery = z.object({ cursor: z.string().optional(), limit: z.coerce.number().int().min(1).max(1_000).default(100) });
const TenantId = z.object({ tenant: z.string() });

/** /usage (the tenant's own) and /admin/tenants (what each keeps and may keep). */
export function usageRoutes({ database, quotas }: Services): FastifyPluginAsync {
  async function usageOf(tenantId: string): Promise<UsageAnswer> {
    return await database.asTenant(tenantId, async (transaction) =>
      usageAnswer(tenantId, await readUsage(transaction, tenantId), await readLimits(transaction, tenantId)),
    );
  }

  return async (plain) => {
    const app = plain.withTypeProvider<ZodTypeProvider>();

    app.get(
      "/usage",
      { schema: { summary: "What the tenant keeps, and may keep", tags: ["usage"], response: { 200: UsageAnswer } } },
      async (request) => await usageOf(request.principal.tenantId),
    );

    app.get(
      "/admin/tenants",
      {
        config: { role: "operator" },
        schema: {
          summary: "All tenants, by name, with what they keep and may keep",
          tags: ["admin"],
          querystring: TenantsQuery,
          response: { 200: Page(TenantUsage) },
        },
      },
      async (request) => {
        const { cursor, limit } = request.query;
        const [after] = cursor === undefined ? [undefined] : decodePlace(cursor, z.tuple([z.string()]));
        const tenants = await listTenants(database, { after, limit: limit + 1 });
        const page = tenants.slice(0, limit);
        const data = await Promise.all(page.map(async ({ id, name }) => ({ name, ...(await usageOf(id)) })));
        const last = page.at(-1);
        return { data, next_cursor: tenants.length > limit && last !== undefined ? encodePlace([last.name]) : null };
      },
    );

    app.put(
      "/admin/tenants/:tenant/limits",
      {
        config: { role: "operator" },
        schema: {
          summary: "Say how much a tenant may keep",
          description: "What is stored stays. Every process keeps to the new limits within five seconds.",
          tags: ["admin"],
          params: TenantId,
          body: TenantLimits,
          response: { 200: UsageAnswer },
        },
      },
      async (request) => {
        const tenantId = decodeId("tenant", request.params.tenant);
        if (tenantId === undefined) throw notFound("tenant", request.params.tenant);
        await setLimits(database, { tenantId, limits: request.body, actor: request.principal.actor });
        quotas.forget(tenantId);
        return await usageOf(tenantId);
      },
    );
  };
}

function usageAnswer(tenantId: string, { used, reserved, byClass }: Usage, limits: Limits): UsageAnswer {
  return { tenant_id: encodeId("tenant", tenantId), used, reserved, limits, by_storage_class: byClass };
}
