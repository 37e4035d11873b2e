import { Readable } from "node:stream";
import type { JobSummary, OutputFile } from "@filemill/contract/jobs.ts";
import type { Client } from "@filemill/sdk/client.ts";
import { blobPath } from "../blob-path.ts";
import { isOver } from "../job-record.ts";
import type { RunFigures } from "../run-figures.ts";
import type { BlobTexts } from "./blob-texts.ts";
import type { BlobContainer } from "./container.ts";

export interface Copying {
  readonly client: Client;
  readonly container: BlobContainer;
  readonly texts: BlobTexts;
  readonly figures: RunFigures;
  readonly signal: AbortSignal;
}

/** Uploads at a time. */
const AT_ONCE = 4;

/**
 * Copies what the container has not got yet of a job. Gives whether that is all that there will ever be of it. Each text is
 * tried once; then it throws the error of the first that failed.
 */
export async function copyJob(copying: Copying, job: JobSummary): Promise<boolean> {
  const { count } = await copying.texts.kept(job);
  if (count < job.counts.succeeded) await copyAll(copying, await missingOf(copying, job));
  return isOver(job.status);
}

interface Missing {
  readonly jobId: string;
  readonly documentNumber: number;
  readonly text: OutputFile;
}

async function missingOf({ client, texts }: Copying, job: JobSummary): Promise<Missing[]> {
  const kept = await texts.kept(job);
  const missing: Missing[] = [];
  for await (const { ordinal, status, outputs } of client.jobs.items(job.id, { limit: 1_000 })) {
    const [text] = outputs;
    const documentNumber = ordinal + 1;
    if (status !== "succeeded" || text === undefined || kept.since(documentNumber, text) !== undefined) continue;
    missing.push({ jobId: job.id, documentNumber, text });
  }
  return missing;
}

async function copyAll(copying: Copying, missing: readonly Missing[]): Promise<void> {
  const waiting = missing.values();
  const failures: unknown[] = [];
  const work = async () => {
    for (const one of waiting) {
      copying.signal.throwIfAborted();
      await copy(copying, one).catch((error: unknown) => failures.push(error));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  if (failures.length > 0) throw failures[0];
}

async function copy({ client, container, texts, figures, signal }: Copying, { jobId, documentNumber, text }: Missing): Promise<void> {
  const begun = performance.now();
  let operation = "upload_failed";
  try {
    const path = blobPath(jobId, documentNumber);
    const open = () => read(client, text.id, signal);
    await texts.add(jobId, await container.put(path, { sizeBytes: text.size, sha256: text.sha256, open }, signal));
    operation = "upload";
  } finally {
    figures.operated({ operation, seconds: (performance.now() - begun) / 1_000 });
  }
}

async function read(client: Client, fileId: string, signal: AbortSignal): Promise<Readable> {
  const { body } = await client.files.content(fileId, { signal });
  return body ? Readable.fromWeb(body) : Readable.from([]);
}
