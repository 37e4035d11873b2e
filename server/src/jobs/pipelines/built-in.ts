import type { PipelineDocument } from "@filemill/contract/pipeline.ts";
import { FILINGS } from "./filings.ts";

export type BuiltInPipeline = PipelineDocument & { readonly name: string };

const TABLES = ["text/csv", "text/tab-separated-values", "application/json", "application/x-ndjson", "application/vnd.apache.parquet"];

/** Pipelines that every tenant has from the start, by name; one of the tenant's own with the same name goes before it. */
export const BUILT_IN_PIPELINES: readonly BuiltInPipeline[] = [
  {
    name: "photo-set",
    description: "A thumbnail of every photo, and one zip of them.",
    params: {
      type: "object",
      properties: { size: { type: "integer", title: "Longest side, px", minimum: 1, maximum: 10_000, default: 200 } },
    },
    steps: {
      checked: { use: "file.validate", with: { accept: ["image/*"], max_size: "50MiB" } },
      small: {
        use: "image.resize",
        needs: ["checked"],
        with: { width: "${params.size}", height: "${params.size}", fit: "inside", format: "webp" },
      },
      all: { use: "archive.zip", needs: ["small"], with: { name: "photos.zip" } },
    },
    outputs: ["small", "all"],
  },
  {
    name: "thumbnails",
    description: "A smaller picture of every image; other files pass by.",
    params: {
      type: "object",
      properties: {
        width: { type: "integer", title: "Width, px", minimum: 1, maximum: 10_000, default: 320 },
        height: { type: "integer", title: "Height, px", minimum: 1, maximum: 10_000, default: 320 },
        format: { enum: ["keep", "jpeg", "png", "webp", "avif"], title: "Format", default: "webp" },
        quality: { type: "integer", title: "Quality", minimum: 1, maximum: 100, default: 80 },
      },
    },
    steps: {
      thumbnail: {
        use: "image.resize",
        when: { media_type: ["image/*"] },
        with: {
          width: "${params.width}",
          height: "${params.height}",
          fit: "inside",
          format: "${params.format}",
          quality: "${params.quality}",
        },
      },
    },
  },
  {
    name: "thumbnail-500",
    description: "A JPEG within 500 by 500 pixels of every JPEG or PNG: upright, on white, never enlarged.",
    steps: {
      checked: { use: "file.validate", with: { accept: ["image/jpeg", "image/png", "image/apng"] } },
      thumbnail: { use: "image.resize", needs: ["checked"], with: { width: 500, height: 500, fit: "inside", format: "jpeg" } },
    },
    outputs: ["thumbnail"],
  },
  {
    name: "image-info",
    description: "Size, colours and camera data of every image, as JSON.",
    steps: { info: { use: "image.metadata" } },
  },
  {
    name: "table-to-parquet",
    description: "Every CSV, JSON or Parquet table as Parquet; with sql, what the query makes of the table `input`.",
    params: { type: "object", properties: { sql: { type: "string", title: "SQL", default: "SELECT * FROM input" } } },
    steps: { parquet: { use: "table.query", with: { sql: "${params.sql}", format: "parquet" } } },
  },
  {
    name: "table-summary",
    description: "A profile of every table, and what a query makes of it as CSV.",
    params: { type: "object", properties: { sql: { type: "string", title: "SQL", default: "SELECT count(*) AS rows FROM input" } } },
    steps: {
      profile: { use: "table.profile" },
      answer: { use: "table.query", with: { sql: "${params.sql}", format: "csv" } },
    },
  },
  {
    name: "text-report",
    description: "Lines, words and language of every text, as JSON; and one zip of the reports.",
    steps: {
      report: { use: "text.stats" },
      all: { use: "archive.zip", needs: ["report"], with: { name: "reports.zip" } },
    },
  },
  {
    name: "unzip-and-profile",
    description: "Unpacks archives and profiles the tables in them.",
    steps: {
      unpacked: { use: "archive.extract" },
      profile: { use: "table.profile", needs: ["unpacked"], when: { media_type: TABLES } },
    },
    outputs: ["profile"],
  },
  {
    name: "sum-numbers",
    description: "Adds up files of integers, line by line, in a tree of five at a time.",
    steps: { sum: { use: "numbers.sum", fan_in: 5 } },
  },
  {
    name: "averages",
    description: "Generates files of random integers and averages them element by element, in a tree of five at a time.",
    params: {
      type: "object",
      properties: {
        columns: { type: "integer", title: "Numbers in each file", minimum: 1, maximum: 10_000_000, default: 1_000 },
        min: { type: "integer", title: "Smallest number", default: 1 },
        max: { type: "integer", title: "Largest number", default: 100 },
        seed: { type: "integer", title: "Seed", minimum: 0, default: 0 },
      },
    },
    steps: {
      files: {
        use: "numbers.generate",
        with: { count: "${params.columns}", min: "${params.min}", max: "${params.max}", seed: "${params.seed}" },
      },
      mean: { use: "numbers.mean", needs: ["files"], with: { name: "final.txt" }, fan_in: 5 },
    },
    outputs: ["files", "mean"],
  },
  {
    name: "document-text",
    description: "The text of every PDF in reading order, with the values of its form; scans and photos of pages are read by OCR.",
    params: {
      type: "object",
      properties: {
        format: { enum: ["text", "json"], title: "Format", default: "text" },
        languages: { type: "array", items: { type: "string" }, title: "Languages of scanned pages", default: ["eng"] },
      },
    },
    steps: { text: { use: "document.text", with: { format: "${params.format}", languages: "${params.languages}" } } },
  },
  FILINGS,
];
