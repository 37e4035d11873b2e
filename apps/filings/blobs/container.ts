import type { Readable } from "node:stream";
import { ContainerClient, RestError, StorageRetryPolicyType, type BlockBlobClient } from "@azure/storage-blob";
import { AppError } from "../../start/app-error.ts";

/** A container of Azure Blob Storage that has texts. Errors are those of the client library. */
export interface BlobContainer {
  /** Without what may be secret in it. */
  urlOf(path: string): string;
  /** Those that `put` made below a prefix. */
  list(prefix: string, signal: AbortSignal): AsyncGenerator<KeptBlob>;
  /** Whole or not at all. A blob of that path with the same content stays as it is; one with another is replaced. */
  put(path: string, text: Text, signal: AbortSignal): Promise<KeptBlob>;
}

export interface KeptBlob {
  readonly path: string;
  /** ISO 8601. */
  readonly storedAt: string;
}

export interface Text {
  readonly sizeBytes: number;
  /** Hex. */
  readonly sha256: string;
  /** From its beginning, each time. */
  open(signal: AbortSignal): Promise<Readable>;
}

const TRY_WITHIN_MS = 30_000;

/** Nothing is asked of it yet. Throws AppError where the connection string is none. */
export function openContainer(connectionString: string, name: string): BlobContainer {
  const client = connect(connectionString, name);

  return {
    urlOf(path) {
      const url = new URL(client.getBlobClient(path).url);
      // A connection string with a shared access signature puts it there.
      url.search = "";
      return url.href;
    },
    async *list(prefix, signal) {
      try {
        for await (const blob of client.listBlobsFlat({ prefix, includeMetadata: true, abortSignal: signal })) {
          const storedAt = blob.metadata?.[STORED_AT];
          if (storedAt !== undefined) yield { path: blob.name, storedAt };
        }
      } catch (error) {
        if (!isCode(error, "ContainerNotFound")) throw error;
      }
    },
    async put(path, text, signal) {
      const blob = client.getBlockBlobClient(path);
      const once = () => create(blob, text, signal);
      try {
        return await once();
      } catch (error) {
        if (isCode(error, "ContainerNotFound")) {
          await client.createIfNotExists({ abortSignal: signal });
          return await once();
        }
        if (isCode(error, "BlobAlreadyExists")) return await settle(blob, text, signal);
        throw error;
      }
    },
  };
}

/** On each blob of ours: digest and time. Azure takes no hyphens here. */
const SHA256 = "sha256";
const STORED_AT = "stored_at";

function connect(connectionString: string, name: string): ContainerClient {
  try {
    return new ContainerClient(connectionString, name, {
      // Who uses this tries again itself, and counts it.
      retryOptions: { retryPolicyType: StorageRetryPolicyType.FIXED, maxTries: 1, tryTimeoutInMs: TRY_WITHIN_MS },
    });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new AppError(`AZURE_BLOB_CONN is no connection string of a storage account: ${reason}. Correct it, or leave it out.`, { cause });
  }
}

async function create(blob: BlockBlobClient, text: Text, signal: AbortSignal): Promise<KeptBlob> {
  return await send(blob, text, { ifNoneMatch: "*", signal });
}

/** Who made it was another app over the same jobs, or an upload of ours whose answer was lost; anything else is none of ours. */
async function settle(blob: BlockBlobClient, text: Text, signal: AbortSignal): Promise<KeptBlob> {
  const { metadata, contentLength, etag } = await blob.getProperties({ abortSignal: signal });
  const storedAt = metadata?.[STORED_AT];
  if (metadata?.[SHA256] === text.sha256 && contentLength === text.sizeBytes && storedAt !== undefined)
    return { path: blob.name, storedAt };
  return await send(blob, text, { ...(etag !== undefined && { ifMatch: etag }), signal });
}

async function send(
  blob: BlockBlobClient,
  text: Text,
  { signal, ...conditions }: { ifNoneMatch?: string; ifMatch?: string; signal: AbortSignal },
): Promise<KeptBlob> {
  const storedAt = new Date().toISOString();
  const content = await text.open(signal);
  try {
    await blob.upload(() => content, text.sizeBytes, {
      conditions,
      metadata: { [SHA256]: text.sha256, [STORED_AT]: storedAt },
      blobHTTPHeaders: { blobContentType: "text/plain; charset=utf-8" },
      abortSignal: signal,
    });
  } finally {
    // Not read to its end where the request failed.
    content.destroy();
  }
  return { path: blob.name, storedAt };
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof RestError && error.code === code;
}
