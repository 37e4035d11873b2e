import { z } from "zod";

export const ScrubFigures = z.object({
  files: z.int().describe("looked at"),
  bytes: z.int().describe("read and compared"),
  missing: z.int(),
  damaged: z.int(),
  healed: z.int().describe("right again"),
  unread: z.int().describe("their store could not be had, or they are archived"),
});

export const DamagedFile = z.object({
  file_id: z.string(),
  tenant_id: z.string(),
  name: z.string(),
  kind: z.enum(["missing", "damaged"]),
  detail: z.string(),
  found_at: z.string(),
});

/** How the reading of all stored files stands, over all tenants. */
export const ScrubAnswer = z.object({
  running: z.boolean().describe("a process is reading now"),
  cycle_started_at: z.string().nullable(),
  cycle_finished_at: z.string().nullable().describe("null while the cycle is under way"),
  cycle: ScrubFigures,
  last_cycle: ScrubFigures.nullable(),
  damaged: z.array(DamagedFile).describe("the latest that are out of service"),
});

export type ScrubAnswer = z.infer<typeof ScrubAnswer>;
export type DamagedFile = z.infer<typeof DamagedFile>;
