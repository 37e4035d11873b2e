import { AppError } from "../../start/app-error.ts";
import { documentNumberOf, folderOf } from "../blob-path.ts";
import type { RunFigures } from "../run-figures.ts";
import type { Texts } from "../texts.ts";
import type { BlobContainer, KeptBlob } from "./container.ts";

/** Texts are in Azure Blob Storage, and a document is downloaded when its blob is there. */
export interface BlobTexts extends Texts {
  /** A blob that was stored just now. */
  add(jobId: string, blob: KeptBlob): Promise<void>;
}

/**
 * Which blobs are there is asked once for each job, of the container itself, so that a restart forgets none; from then on
 * this process is who adds to them. Others that do so for the same jobs are seen when an upload meets their blob.
 */
export function blobTexts(container: BlobContainer, { figures, signal }: { figures: RunFigures; signal: AbortSignal }): BlobTexts {
  const jobs = new Map<string, Promise<Map<number, string>>>();

  function storedOf(jobId: string): Promise<Map<number, string>> {
    const known = jobs.get(jobId);
    if (known) return known;
    const listing = list(jobId);
    jobs.set(jobId, listing);
    // Asked again next time.
    listing.catch(() => jobs.delete(jobId));
    return listing;
  }

  async function list(jobId: string): Promise<Map<number, string>> {
    const begun = performance.now();
    const stored = new Map<number, string>();
    try {
      for await (const blob of container.list(folderOf(jobId), signal)) note(stored, blob);
    } catch (cause) {
      figures.operated({ operation: "list_failed", seconds: (performance.now() - begun) / 1_000 });
      throw new AppError("The container of documents does not say what it has; try again soon.", { cause });
    }
    figures.operated({ operation: "list", seconds: (performance.now() - begun) / 1_000 });
    return stored;
  }

  return {
    urlOf: (path) => container.urlOf(path),
    async kept({ id }) {
      const stored = await storedOf(id);
      const lastAt = [...stored.values()].reduce<string | undefined>(
        (last, at) => (last === undefined || at > last ? at : last),
        undefined,
      );
      return { count: stored.size, lastAt, since: (documentNumber) => stored.get(documentNumber) };
    },
    runEnded() {}, // Who stores is this app, later.
    add: async (jobId, blob) => note(await storedOf(jobId), blob),
  };
}

function note(stored: Map<number, string>, { path, storedAt }: KeptBlob): void {
  const documentNumber = documentNumberOf(path);
  if (documentNumber !== undefined) stored.set(documentNumber, storedAt);
}
