import { z } from "zod";
import { Size } from "@filemill/contract/units.ts";
import type { Catalogue } from "../src/processors/catalogue.ts";
import type { Processor } from "../src/processors/processor.ts";

const MIB = 2 ** 20;

/** Declarations of every kind for tests of the linter and the planner, which never run a processor. */
export function toyCatalogue(): Catalogue {
  const processors = new Map(TOYS.map((toy) => [toy.name, toy]));
  return { get: (name) => processors.get(name), list: () => [...processors.values()] };
}

function toy(part: Partial<Processor> & Pick<Processor, "name">): Processor {
  return {
    version: "1",
    title: part.name,
    description: "For tests.",
    kind: "map",
    emits: "one",
    accepts: ["*/*"],
    produces: ["*/*"],
    params: z.strictObject({}),
    limits: { memoryBytes: 256 * MIB, wallMs: 30_000, outputBytes: 64 * MIB, outputFiles: 1 },
    example: {},
    codec: false,
    run: () => Promise.reject(new Error("a toy is never run")),
    ...part,
  };
}

const TOYS: readonly Processor[] = [
  toy({ name: "toy.pass", cacheable: { by: "content" } }),
  toy({
    name: "toy.check",
    params: z.strictObject({ accept: z.array(z.string()).optional(), max_size: Size.transform((size) => size.length).optional() }),
  }),
  toy({ name: "toy.split", emits: "many" }),
  toy({ name: "toy.fetch", doneBy: "worker" }),
  toy({ name: "toy.sum", kind: "tree", accepts: ["text/plain"], produces: ["text/plain"] }),
  toy({ name: "toy.pack", kind: "gather", produces: ["application/zip"] }),
  toy({
    name: "toy.image",
    cacheable: { by: "content_and_names", unless: () => false },
    accepts: ["image/*"],
    produces: ["image/jpeg", "image/webp"],
    params: z.strictObject({
      width: z.int().min(1).max(10_000),
      height: z.int().min(1).max(10_000).optional(),
      fit: z.enum(["inside", "cover"]).default("inside"),
      label: z.string().optional(),
    }),
  }),
  toy({
    name: "toy.table",
    accepts: ["text/csv"],
    produces: ["application/json"],
    params: z.strictObject({ sql: z.string().min(1) }),
    cacheable: { by: "content", unless: (params) => JSON.stringify(params).includes("now()") },
  }),
];
