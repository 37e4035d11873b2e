import { parseSize } from "@filemill/contract/parse-units.ts";
import { Size } from "@filemill/contract/units.ts";
import { z } from "zod";

export const PDF = "application/pdf";

/** A document is held in memory as a whole, and pdf.js holds what it has decoded of it besides. */
const MAX_SIZE = "256MiB";

export const DocumentSize = Size.refine((text) => parseSize(text) <= parseSize(MAX_SIZE), `must be at most ${MAX_SIZE}`)
  .default("100MiB")
  .meta({ title: "Largest size", description: "Larger documents are refused before they are read." });

export const MaxPages = z
  .int()
  .min(1)
  .max(10_000)
  .default(500)
  .meta({ title: "Pages", description: "Documents with more pages are refused." });
