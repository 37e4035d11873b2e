import { writeFile } from "node:fs/promises";
import { parseSize } from "@filemill/contract/parse-units.ts";
import { z } from "zod";
import { derivedName } from "./derived-name.ts";
import { DocumentSize, MaxPages, PDF } from "./document/limits.ts";
import { BadInput, declareProcessor } from "./processor.ts";

/** A form with more is made by a program that means harm, or by mistake. */
const MAX_FIELDS = 20_000;

const params = z.strictObject({
  without_form: z
    .enum(["error", "empty"])
    .default("error")
    .meta({ title: "Without a form", description: "error ends the item; empty gives a result without fields." }),
  max_size: DocumentSize,
  max_pages: MaxPages,
});

export const documentForm = declareProcessor({
  name: "document.form",
  version: "1",
  title: "Read the fields of a PDF form",
  description:
    "Reads the fields of a PDF's form (AcroForm) into JSON: names, types, values, what may be chosen, pages. Forms in XFA alone, which no PDF reader of today shows, have no fields here.",
  kind: "map",
  emits: "one",
  accepts: [PDF],
  produces: ["application/json"],
  params,
  limits: { memoryBytes: 2 ** 30, wallMs: 120_000, outputBytes: 64 * 2 ** 20, outputFiles: 1 },
  example: { without_form: "empty" },
  codec: true,
  cacheable: { by: "content_and_names" },
  async run({ params, inputs, signal, output, progress }) {
    const { openPdf, ofPdf } = await import("./document/open-pdf.ts");
    const { fieldsOf, widgetsOf } = await import("./document/form-fields.ts");
    for (const input of inputs) {
      await using pdf = await openPdf(input, { maxBytes: parseSize(params.max_size), maxPages: params.max_pages, signal });
      const pages: { number: number; widgets: Awaited<ReturnType<typeof widgetsOf>> }[] = [];
      let count = 0;
      await pdf.eachPage(async (page, number) => {
        const widgets = await ofPdf(input, () => widgetsOf(page));
        count += widgets.length;
        if (count > MAX_FIELDS) throw new BadInput("limit_exceeded", `"${input.name}" has more than ${MAX_FIELDS} fields.`);
        pages.push({ number, widgets });
        progress(number / pdf.pageCount);
      });
      const fields = fieldsOf(pages);
      if (fields.length === 0 && params.without_form === "error") {
        const { info } = await ofPdf(input, () => pdf.document.getMetadata());
        const why = "IsXFAPresent" in info && info.IsXFAPresent === true ? "its form is in XFA, which is not read" : "it has no form";
        throw new BadInput("type_mismatch", `"${input.name}" has no fields: ${why}. Set without_form to "empty" to let it through.`);
      }
      const values = Object.fromEntries(fields.map(({ name, value }) => [name, value]));
      const form = { name: input.name, pages: pdf.pageCount, values, fields };
      const path = output({ name: derivedName(input.name, ".form.json"), mediaType: "application/json" });
      await writeFile(path, `${JSON.stringify(form, undefined, 2)}\n`);
    }
  },
});
