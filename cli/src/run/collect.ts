import { join } from "node:path";
import type { JobResource, OutputFile } from "@filemill/contract/jobs.ts";
import type { Client } from "@filemill/sdk/client.ts";
import { download } from "@filemill/sdk/disk.ts";
import { freePath, safeName } from "../files/names.ts";
import type { Progress } from "../terminal/progress.ts";
import { everything } from "../terminal/take.ts";

export type Collected = OutputFile & { readonly path: string };

/** Downloads all outputs of a job into `folder`; those of several steps go into a folder a step. */
export async function collectOutputs(collecting: {
  client: Client;
  job: JobResource;
  folder: string;
  progress: Progress;
  signal: AbortSignal;
}): Promise<Collected[]> {
  const { client, job, folder, progress, signal } = collecting;
  const outputs = await everything(client.jobs.outputs(job.id));
  const perStep = new Set(outputs.map((output) => output.step)).size > 1;
  const bar = progress.bar(
    outputs.length === 1 ? `download ${outputs[0]?.name}` : `download ${outputs.length} results`,
    outputs.reduce((total, output) => total + output.size, 0),
  );
  const collected: Collected[] = [];
  for (const output of outputs) {
    const wanted = perStep ? join(folder, safeName(output.step), safeName(output.name)) : join(folder, safeName(output.name));
    // One after the other: two outputs of one name must not both find the same path free.
    const path = await freePath(wanted);
    await download(client, output, path, { signal, onBytes: (bytes) => bar.add(bytes) });
    collected.push({ ...output, path });
  }
  bar.finish(outputs.length === 0 ? "the job made no files" : folder);
  return collected;
}
