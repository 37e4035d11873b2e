import { z } from "zod";
import { STORAGE_CLASSES } from "./storage-class.ts";

/** The largest number that JSON gives back as it was sent. */
const Count = z.int().min(0);

export const Amount = z.object({ bytes: Count, files: Count });

/** How much a tenant may keep; null is without a limit. */
export const TenantLimits = z.strictObject({
  bytes: Count.nullable().describe("null: no limit"),
  files: Count.nullable().describe("null: no limit"),
});

/** What a tenant keeps at the moment of the answer. */
export const UsageAnswer = z.object({
  tenant_id: z.string(),
  used: Amount.describe("stored files, outputs among them"),
  reserved: Amount.describe("room taken by uploads and tasks under way, where there is a limit"),
  limits: z.object({ bytes: z.int().nullable(), files: z.int().nullable() }),
  by_storage_class: z.record(z.enum(STORAGE_CLASSES), Amount),
});

export const TenantUsage = UsageAnswer.extend({ name: z.string() });

export type UsageAnswer = z.infer<typeof UsageAnswer>;
export type TenantLimits = z.infer<typeof TenantLimits>;
export type TenantUsage = z.infer<typeof TenantUsage>;
