import { createHash } from "node:crypto";
import type { Metadata } from "@filemill/contract/files.ts";
import type { SkippedEntry } from "@filemill/contract/bulk.ts";
import type { Database } from "../../db/database.ts";
import { Problem } from "../../errors.ts";
import type { StoredFile } from "../../record/files.ts";
import type { ContentStore } from "../../storage/content-store.ts";
import type { Quotas } from "../../tenants/quotas.ts";
import type { AllowedTypes } from "../allowed-types.ts";
import { fileName } from "../file-name.ts";
import type { ArchivedFile, OpenArchive } from "./archive-entry.ts";
import { bulkFileId, MAX_BULK_FILES } from "../../record/bulk-id.ts";
import type { BulkRow } from "../../record/bulk-rows.ts";
import { createCaps, type BulkLimits } from "./caps.ts";
import { NO_EARLIER_ATTEMPT, readEarlierAttempt } from "./earlier-attempt.ts";
import { createRecorder } from "./recorder.ts";
import { storeEntry } from "./store-entry.ts";

export interface BulkOrder {
  readonly database: Database;
  readonly contents: ContentStore;
  readonly quotas: Quotas;
  readonly tenantId: string;
  readonly actor: string;
  readonly bulkId: string;
  /** An earlier request with the same key may have stored a part. */
  readonly resumes: boolean;
  /** Of every file. */
  readonly metadata: Metadata;
  readonly limits: BulkLimits;
  readonly allowedTypes: AllowedTypes;
  /** The most files that there may be, where less than any limit: as many as a job takes. */
  readonly maxFiles?: number;
}

export type BulkFile = Pick<StoredFile, "id" | "name" | "sizeBytes" | "sha256" | "mediaType">;

export interface ReceivedBulk {
  /** Recorded, those of an earlier attempt included. */
  readonly files: number;
  readonly bytes: number;
  /** Of these, how many came with this request. */
  readonly newFiles: number;
  readonly newBytes: number;
  /** The first of them. */
  readonly first: readonly BulkFile[];
  readonly skipped: { readonly entries: number; readonly first: readonly SkippedEntry[] };
  /** What ended it early. Everything in front of it is recorded. */
  readonly failure?: unknown;
}

/** How much of a bulk is told in its answer, whatever its size. */
const TOLD = 100;

/**
 * Stores every regular file of an archive, in its order, in batches that are committed as they come: a million files
 * need no more memory than a thousand, and no transaction is held open for a slow line. Where it ends early, what came
 * whole before is recorded, and the same archive sent again with the same key goes on behind it. Never rejects.
 */
export async function receiveBulk(archive: OpenArchive, order: BulkOrder): Promise<ReceivedBulk> {
  const tally = createTally();
  const recorder = createRecorder({ ...order, onRecorded: (files) => files.forEach((file) => tally.stored(file)) });
  const caps = createCaps(order.limits, archive.packedBytes);
  const maxFiles = Math.min(order.maxFiles ?? MAX_BULK_FILES, MAX_BULK_FILES);
  const earlier = order.resumes ? readEarlierAttempt(order.database, order) : NO_EARLIER_ATTEMPT;
  let ordinal = 0;

  async function take(entry: ArchivedFile): Promise<void> {
    if (ordinal >= maxFiles)
      throw new Problem("file_too_large", `A bulk may have at most ${maxFiles} files with a pipeline. Send several.`);
    const name = entryName(entry.name, ordinal);
    const { content } = entry;
    const count = caps.file(name);
    const found = await earlier.at(ordinal);
    if ("file" in found) {
      tally.found(await sameFile(content, { name, ordinal, count, file: found.file }));
    } else {
      const { contents, tenantId, metadata, limits } = order;
      const id = bulkFileId(order.bulkId, { ordinal, generation: found.generation });
      const place = {
        contents,
        tenantId,
        id,
        name,
        metadata,
        maxBytes: limits.maxFileBytes,
        count,
        allowedTypes: order.allowedTypes,
        reservation: await recorder.reservation(),
      };
      await recorder.add(await storeEntry(content, place));
    }
    ordinal++;
  }

  const failures: unknown[] = [];
  try {
    for await (const entry of archive.entries) {
      caps.entry();
      if (entry.kind === "file") await take(entry);
      else if (entry.kind !== "folder") tally.skipped({ name: entry.name.slice(0, 1_024), reason: entry.kind });
    }
  } catch (error) {
    failures.push(error);
  }
  await recorder.flush().catch((error: unknown) => failures.push(error));
  if (failures.length === 0 && ordinal === 0) failures.push(new Problem("validation_failed", "The archive holds no regular file."));
  return { ...tally.result(), ...(failures.length > 0 && { failure: failures[0] }) };
}

/** Folders stay part of the name, as in single uploads; only `./`, which `tar -C folder .` puts before each, does not. */
function entryName(text: string, ordinal: number): string {
  try {
    return fileName(text.replace(/^(?:\.\/+)+(?=.)/, ""));
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    const issues = error.issues?.map(({ message }) => ({ pointer: `/files/${ordinal}/name`, message })) ?? [];
    throw new Problem("validation_failed", `The name of file ${ordinal + 1} in the archive can't be kept: ${error.message}`, { issues });
  }
}

/** Reads a file that is there already. Throws Problem `idempotency_key_reused` where the archive has another one in its place. */
async function sameFile(
  content: AsyncIterable<Buffer>,
  { name, ordinal, count, file }: { name: string; ordinal: number; count: (bytes: number) => void; file: BulkRow },
): Promise<BulkFile> {
  const { sizeBytes, sha256 } = await digestOf(content, count);
  if (name !== file.name || sizeBytes !== file.size_bytes || !sha256.equals(file.sha256)) {
    throw new Problem(
      "idempotency_key_reused",
      `File ${ordinal + 1} of the archive, "${name}", is not the one that an earlier request with this Idempotency-Key stored ("${file.name}"). Send this archive with a key of its own.`,
    );
  }
  return { id: file.id, name, sizeBytes, sha256, mediaType: file.media_type };
}

async function digestOf(content: AsyncIterable<Buffer>, count: (bytes: number) => void): Promise<{ sizeBytes: number; sha256: Buffer }> {
  const sha256 = createHash("sha256");
  let sizeBytes = 0;
  for await (const chunk of content) {
    count(chunk.length);
    sha256.update(chunk);
    sizeBytes += chunk.length;
  }
  return { sizeBytes, sha256: sha256.digest() };
}

function createTally() {
  let files = 0;
  let bytes = 0;
  let newFiles = 0;
  let newBytes = 0;
  const first: BulkFile[] = [];
  let passed = 0;
  const firstPassed: SkippedEntry[] = [];
  const add = (file: BulkFile) => {
    files++;
    bytes += file.sizeBytes;
    if (first.length < TOLD) first.push(file);
  };
  return {
    stored(file: StoredFile): void {
      add(file);
      newFiles++;
      newBytes += file.sizeBytes;
    },
    found: add,
    skipped(entry: SkippedEntry): void {
      passed++;
      if (firstPassed.length < TOLD) firstPassed.push(entry);
    },
    result: () => ({ files, bytes, newFiles, newBytes, first, skipped: { entries: passed, first: firstPassed } }),
  };
}
