import type { ObjectHead } from "../object-store.ts";
import type { StorageClass } from "@filemill/contract/storage-class.ts";
import { doubtMissing, isMissing } from "../remote/doubt.ts";
import { WrongAnswer } from "../remote/wrong-answer.ts";
import { blobAt, WRITE_ID, type Container } from "./container.ts";

export interface AzureHead extends ObjectHead {
  readonly writeId: string | undefined;
  /** It is on its way from the archive. */
  readonly isComingBack: boolean;
  readonly copyStatus: string | undefined;
}

const CLASSES: Readonly<Record<string, StorageClass>> = { Cool: "cold", Cold: "cold", Archive: "archive" };

/** What the container has under `key`. `doubt`: how many times a 404 is asked again before it is believed. */
export async function headBlob(
  container: Container,
  key: string,
  { doubt = 2, signal }: { doubt?: number; signal?: AbortSignal | undefined } = {},
): Promise<AzureHead | undefined> {
  const ask = () => container.guard.run(`head ${key}`, (attempt) => askHead(container, key, attempt), { signal });
  try {
    return await doubtMissing(ask, { times: doubt, signal });
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

async function askHead(container: Container, key: string, signal: AbortSignal): Promise<AzureHead> {
  const answer = await blobAt(container, key).getProperties({ abortSignal: signal });
  if (answer.contentLength === undefined || answer.etag === undefined || answer.lastModified === undefined) {
    throw new WrongAnswer("the answer has no length, ETag or time");
  }
  return {
    sizeBytes: answer.contentLength,
    modifiedAt: answer.lastModified,
    storageClass: CLASSES[answer.accessTier ?? ""] ?? "hot",
    writeId: answer.metadata?.[WRITE_ID],
    isComingBack: answer.archiveStatus !== undefined && answer.archiveStatus.startsWith("rehydrate-pending"),
    copyStatus: answer.copyStatus,
  };
}
