import { z } from "zod";

/** Keys of the whole installation, for operators. No key is in it. */
export const KeyStatusResource = z.object({
  root: z.object({
    provider: z.string().describe("file, env, awskms or vault"),
    version: z.string().describe("under which tenants' keys are wrapped now"),
    versions: z.array(z.string()).nullable().describe("all that can be unwrapped; null where the provider does not tell"),
    used_versions: z.array(z.string()).describe("a root key that is not among them may be removed"),
    tenant_keys_to_rewrap: z.int(),
  }),
  tenants: z.object({
    with_keys: z.int(),
    retired_versions: z.int().describe("kept for eight days, and as long as anything is wrapped under them"),
    object_keys_to_rewrap: z.int(),
  }),
});
export type KeyStatusResource = z.infer<typeof KeyStatusResource>;

export const KeyRotationRequest = z.discriminatedUnion("scope", [
  z.strictObject({ scope: z.literal("root") }),
  z.strictObject({ scope: z.literal("tenant"), tenant_id: z.string().optional().describe("ten_…; the caller's own where left out") }),
]);
export type KeyRotationRequest = z.infer<typeof KeyRotationRequest>;
