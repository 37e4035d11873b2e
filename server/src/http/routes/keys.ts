import { decodeId } from "@filemill/contract/ids.ts";
import { KeyRotationRequest, KeyStatusResource } from "@filemill/contract/keys.ts";
import type { FastifyPluginAsync } from "fastify";
import type { ZodTypeProvider } from "fastify-type-provider-zod";
import { notFound } from "../../errors.ts";
import type { KeyStatus } from "../../lifecycle/keys/key-status.ts";
import type { Services } from "../services.ts";

/** /admin/keys: how keys are wrapped, and rotation. Of the whole installation, so that no tenant's own key may. */
export function keysRoutes({ keyAdmin }: Services): FastifyPluginAsync {
  return async (plain) => {
    const app = plain.withTypeProvider<ZodTypeProvider>();

    app.get(
      "/admin/keys",
      {
        config: { role: "operator" },
        schema: {
          summary: "Under which keys everything is encrypted, and what a rotation has still to do",
          tags: ["admin"],
          response: { 200: KeyStatusResource },
        },
      },
      async () => keyStatusResource(await keyAdmin.status()),
    );

    app.post(
      "/admin/keys/rotate",
      {
        config: { role: "operator" },
        schema: {
          summary: "Make a new version of the root key or of a tenant's key",
          description:
            "What lies under older versions is wrapped anew behind it, while everything goes on; the status tells how far that is.",
          tags: ["admin"],
          body: KeyRotationRequest,
          response: { 202: KeyStatusResource },
        },
      },
      async (request, reply) => {
        const { tenantId, actor } = request.principal;
        const { body } = request;
        if (body.scope === "root") await keyAdmin.rotateRoot({ tenantId, actor });
        else await keyAdmin.rotateTenant({ tenantId: tenantOf(body.tenant_id, tenantId), actor });
        return reply.code(202).send(keyStatusResource(await keyAdmin.status()));
      },
    );
  };
}

function tenantOf(text: string | undefined, own: string): string {
  if (text === undefined) return own;
  const id = decodeId("tenant", text);
  if (id === undefined) throw notFound("tenant", text);
  return id;
}

function keyStatusResource(status: KeyStatus): KeyStatusResource {
  return {
    root: {
      provider: status.provider,
      version: status.rootVersion,
      versions: status.rootVersions === undefined ? null : [...status.rootVersions],
      used_versions: [...status.usedRootVersions],
      tenant_keys_to_rewrap: status.tenantKeysToRewrap,
    },
    tenants: {
      with_keys: status.tenants,
      retired_versions: status.retiredVersions,
      object_keys_to_rewrap: status.objectKeysToRewrap,
    },
  };
}
