import { MediaTypePattern } from "@filemill/contract/pipeline.ts";
import { parseSize } from "@filemill/contract/parse-units.ts";
import { Size } from "@filemill/contract/units.ts";
import { z } from "zod";
import { acceptsMediaType, BadInput, declareProcessor } from "./processor.ts";

const params = z.strictObject({
  accept: z
    .array(MediaTypePattern)
    .min(1)
    .default(["*/*"])
    .meta({ title: "Accepted types", description: "Media types that pass, such as image/png or image/*." }),
  max_size: Size.optional().meta({ title: "Largest size", description: 'The largest file that passes, such as "50MiB".' }),
  min_size: Size.optional().meta({ title: "Smallest size", description: 'The smallest file that passes, such as "1B".' }),
});

export const fileValidate = declareProcessor({
  name: "file.validate",
  version: "1",
  title: "Check files",
  description: "Lets files of the accepted types and sizes through unchanged, and stops all others.",
  kind: "map",
  emits: "one",
  accepts: ["*/*"],
  produces: ["*/*"],
  params,
  limits: { memoryBytes: 256 * 2 ** 20, wallMs: 60_000, outputBytes: 2 ** 40, outputFiles: 1 },
  example: { accept: ["image/*"], max_size: "50MiB" },
  codec: false,
  cacheable: { by: "content" },
  async run({ params, inputs, pass }) {
    for (const input of inputs) {
      if (!acceptsMediaType(params.accept, input.mediaType)) {
        throw new BadInput("type_mismatch", `"${input.name}" is ${input.mediaType}; accepted are ${params.accept.join(", ")}.`);
      }
      if (params.max_size !== undefined && input.sizeBytes > parseSize(params.max_size)) {
        throw new BadInput("limit_exceeded", `"${input.name}" has ${input.sizeBytes} bytes; at most ${params.max_size} are accepted.`);
      }
      if (params.min_size !== undefined && input.sizeBytes < parseSize(params.min_size)) {
        throw new BadInput("limit_exceeded", `"${input.name}" has ${input.sizeBytes} bytes; at least ${params.min_size} are accepted.`);
      }
      pass(input);
    }
  },
});
