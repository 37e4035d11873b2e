import { z } from "zod";
import { declareProcessor } from "../../src/processors/processor.ts";

/** Of a further module, and would have the worker do its work. */
export default declareProcessor({
  name: "demo.pretender",
  version: "1",
  title: "Pretend",
  description: "For tests.",
  kind: "map",
  emits: "one",
  accepts: ["*/*"],
  produces: ["*/*"],
  params: z.strictObject({}),
  limits: { memoryBytes: 1, wallMs: 1, outputBytes: 1, outputFiles: 1 },
  example: {},
  codec: false,
  doneBy: "worker",
  run: () => Promise.resolve(),
});
