import type { PipelineDocument } from "@filemill/contract/pipeline.ts";

/** One thing that the demo shows: a folder of samples and what is done with it. */
export interface DemoRun {
  readonly title: string;
  /** Below samples/. */
  readonly folder: string;
  readonly pipeline: PipelineDocument & { readonly name: string };
}

export const DEMO_RUNS: readonly DemoRun[] = [
  {
    title: "thumbnails of every photo",
    folder: "photos",
    pipeline: {
      name: "photo-set",
      steps: {
        checked: { use: "file.validate", with: { accept: ["image/*"], max_size: "50MiB" } },
        small: { use: "image.resize", needs: ["checked"], with: { width: 320, height: 320, fit: "inside", format: "webp" } },
        all: { use: "archive.zip", needs: ["small"] },
      },
      outputs: ["small", "all"],
    },
  },
  {
    title: "a profile and a Parquet copy of every table",
    folder: "tables",
    pipeline: {
      name: "table-set",
      steps: {
        profile: { use: "table.profile" },
        rows: { use: "table.query", with: { sql: "SELECT count(*) AS number_of_rows FROM input", format: "json" } },
        parquet: { use: "table.query", with: { sql: "SELECT * FROM input", format: "parquet" } },
      },
      outputs: ["profile", "rows", "parquet"],
    },
  },
  {
    title: "statistics of every text",
    folder: "text",
    pipeline: { name: "text-set", steps: { statistics: { use: "text.stats" } } },
  },
  {
    title: "the files inside every archive",
    folder: "archives",
    pipeline: { name: "unpack", steps: { files: { use: "archive.extract" } } },
  },
  {
    title: "the text of every document, scans too",
    folder: "documents",
    pipeline: {
      name: "document-set",
      steps: {
        form: { use: "document.form", with: { without_form: "empty" } },
        text: { use: "document.text", with: { dpi: 150 } },
      },
    },
  },
];
