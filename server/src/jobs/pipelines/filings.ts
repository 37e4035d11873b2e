import type { PipelineDocument } from "@filemill/contract/pipeline.ts";

/** What of a job's documents one run takes, before the job is given back: 10 to 17 of 30 to 50. */
const RUN = { fraction: 0.35, sequential: true };
/** With the pauses between them a registry may be away for some 40 s without a document being given up. */
const ATTEMPTS = 6;

/** What offices scan at. Drawn at 300 the same pages were read no better, and took 3.8 s each instead of 2.9. */
const SCANNED_DPI = 200;

const TEMPLATE = `{{given.company}}{{^given.company}}{{values.company_name}}{{/given.company}}
{{#given.cin}}Corporate identity number: {{given.cin}}
{{/given.cin}}Document: {{file.stem}}
{{#pages}}

--- Page {{number}} ---

{{text}}
{{/pages}}
`;

/**
 * Documents of a company, as a registry has them: each input names the URL of one. A document is fetched, read (the fields
 * of its form where they stand, or the picture of the page) and written as text in one task; a task takes a run of them.
 */
export const FILINGS: PipelineDocument & { readonly name: string } = {
  name: "filings",
  description:
    "Fetches the documents that the inputs name by URL, reads forms and scanned pages, and writes the text of each; in runs of a third.",
  params: {
    type: "object",
    properties: {
      company: { type: "string", title: "Company", description: "Above each text; left out, what a form says.", maxLength: 300 },
      cin: { type: "string", title: "Corporate identity number", maxLength: 50 },
      max_size: { type: "string", title: "Largest document", default: "50MiB" },
      languages: { type: "array", items: { type: "string" }, title: "Languages of scanned pages", default: ["eng"] },
    },
  },
  steps: {
    fetched: {
      use: "http.fetch",
      with: { max_size: "${params.max_size}", accept: ["application/pdf", "image/*"], tries: 4 },
      batch: RUN,
      attempts: ATTEMPTS,
    },
    read: {
      use: "document.text",
      needs: ["fetched"],
      with: { format: "json", dpi: SCANNED_DPI, languages: "${params.languages}" },
      batch: RUN,
      attempts: ATTEMPTS,
    },
    text: {
      use: "text.template",
      needs: ["read"],
      with: { template: TEMPLATE, given: { company: "${params.company}", cin: "${params.cin}" } },
      batch: RUN,
      attempts: ATTEMPTS,
    },
  },
  outputs: ["text"],
};
