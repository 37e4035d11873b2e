import type { PipelineDocument } from "@filemill/contract/pipeline.ts";
import type { Client } from "@filemill/sdk/client.ts";
import { FilemillError } from "@filemill/sdk/error.ts";
import { CliError, EXIT } from "../exit.ts";

/**
 * Asks the server, before anything is sent, whether a job can use this pipeline: gigabytes that went up for a misspelt
 * name would stay there for nothing. Rejects CliError.
 */
export async function requirePipeline(client: Client, pipeline: string | PipelineDocument): Promise<void> {
  if (typeof pipeline === "string") return await requireStored(client, pipeline);
  const { valid, issues } = await client.pipelines.lint(pipeline);
  if (!valid) throw new CliError("The pipeline has mistakes:", EXIT.usage, { code: "validation_failed", issues });
}

async function requireStored(client: Client, name: string): Promise<void> {
  try {
    await client.pipelines.get(name);
  } catch (cause) {
    if (!(cause instanceof FilemillError) || cause.code !== "not_found") throw cause;
    const hint = "`filemill pipelines list` shows those that there are.";
    throw new CliError(`${cause.detail}\n${hint}`, EXIT.notFound, { code: cause.code, cause });
  }
}
