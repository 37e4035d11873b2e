import { decodeId } from "@filemill/contract/ids.ts";
import type { ItemResource, JobSummary } from "@filemill/contract/jobs.ts";
import type { Client } from "@filemill/sdk/client.ts";
import { companyOfJob } from "./job-record.ts";

/** The container in which the texts of documents are, whatever store that is. */
export const CONTAINER = "documents";

/** A document whose text is stored. Times are ISO 8601. */
export interface DocumentRecord {
  readonly jobId: string;
  /** From 1 on, once in a job. */
  readonly documentNumber: number;
  readonly companyName: string;
  readonly cin: string;
  readonly documentType: string;
  readonly fileName: string;
  readonly blobUrl: string;
  /** Bytes of the text. */
  readonly fileSize: number;
  /** SHA-256 of the text, hex. */
  readonly checksum: string;
  readonly downloadedAt: string;
  readonly createdAt: string;
}

export interface StoredDocument {
  readonly record: DocumentRecord;
  /** The platform's file that holds the text. */
  readonly fileId: string;
}

/** In the order of their numbers; those that are not stored yet, or failed, are not among them. */
export async function* documentsOf(client: Client, job: JobSummary, urlOf: (path: string) => string): AsyncGenerator<StoredDocument> {
  for await (const item of client.jobs.items(job.id, { limit: 1_000 })) {
    const document = documentOf(job, item, urlOf);
    if (document) yield document;
  }
}

export function blobPath(jobId: string, documentNumber: number): string {
  return `jobs/${jobId}/document_${documentNumber}.txt`;
}

function documentOf(job: JobSummary, item: ItemResource, urlOf: (path: string) => string): StoredDocument | undefined {
  const company = companyOfJob(job);
  const [text] = item.outputs;
  if (company === undefined || item.status !== "succeeded" || text === undefined) return undefined;
  const documentNumber = item.ordinal + 1;
  const storedAt = timeOf(text.id);
  const record = {
    ...{ jobId: job.id, documentNumber, companyName: company.companyName, cin: company.cin },
    documentType: company.types[item.ordinal] ?? "",
    fileName: `document_${documentNumber}.txt`,
    blobUrl: urlOf(blobPath(job.id, documentNumber)),
    ...{ fileSize: text.size, checksum: text.sha256, downloadedAt: storedAt, createdAt: storedAt },
  };
  return { record, fileId: text.id };
}

/** Ids are UUIDs of version 7, which begin with the time at which they were made (RFC 9562 §5.7). */
function timeOf(fileId: string): string {
  const uuid = decodeId("file", fileId) ?? "";
  return new Date(Number.parseInt(uuid.replaceAll("-", "").slice(0, 12), 16)).toISOString();
}
