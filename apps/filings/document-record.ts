import type { ItemResource, JobSummary } from "@filemill/contract/jobs.ts";
import { blobPath } from "./blob-path.ts";
import { companyOfJob, type RecordSources } from "./job-record.ts";
import type { KeptTexts } from "./texts.ts";

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
export async function* documentsOf(
  { client, texts, origin }: RecordSources & { readonly origin: string },
  job: JobSummary,
): AsyncGenerator<StoredDocument> {
  const place = { kept: await texts.kept(job), urlOf: (path: string) => texts.urlOf(path, origin) };
  for await (const item of client.jobs.items(job.id, { limit: 1_000 })) {
    const document = documentOf(job, item, place);
    if (document) yield document;
  }
}

function documentOf(
  job: JobSummary,
  item: ItemResource,
  { kept, urlOf }: { kept: KeptTexts; urlOf: (path: string) => string },
): StoredDocument | undefined {
  const company = companyOfJob(job);
  const [text] = item.outputs;
  if (company === undefined || item.status !== "succeeded" || text === undefined) return undefined;
  const documentNumber = item.ordinal + 1;
  const storedAt = kept.since(documentNumber, text);
  if (storedAt === undefined) return undefined;
  const record = {
    ...{ jobId: job.id, documentNumber, companyName: company.companyName, cin: company.cin },
    documentType: company.types[item.ordinal] ?? "",
    fileName: `document_${documentNumber}.txt`,
    blobUrl: urlOf(blobPath(job.id, documentNumber)),
    ...{ fileSize: text.size, checksum: text.sha256, downloadedAt: storedAt, createdAt: storedAt },
  };
  return { record, fileId: text.id };
}
