import { readFile } from "node:fs/promises";
import type { PipelineDocument } from "@filemill/contract/pipeline.ts";
import { CliError, EXIT } from "../exit.ts";

/** Reads a pipeline document from disk. Only JSON is checked here: the server finds every other problem, with its place. */
export async function readDocument(path: string): Promise<PipelineDocument> {
  const text = await readFile(path, "utf8");
  try {
    return JSON.parse(text) as PipelineDocument;
  } catch (cause) {
    throw new CliError(`${path} is not JSON: ${cause instanceof Error ? cause.message : String(cause)}`, EXIT.usage, { cause });
  }
}
