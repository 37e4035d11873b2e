import { isKey } from "../keys.ts";
import { SURELY_THERE } from "../remote/doubt.ts";
import { WrongAnswer } from "../remote/wrong-answer.ts";
import { blobAt, type Container } from "./container.ts";
import { headBlob } from "./head.ts";

/** Objects whose key starts with `prefix`, page by page. What others have put into the container is not ours to see. */
export async function* listBlobs(
  container: Container,
  prefix: string,
): AsyncGenerator<{ key: string; sizeBytes: number; modifiedAt: Date }> {
  for await (const blob of pages(container, { prefix })) {
    const key = blob.name.slice(container.prefix.length);
    if (isKey(key)) yield { key, sizeBytes: blob.sizeBytes, modifiedAt: blob.modifiedAt };
  }
}

/**
 * Removes blocks that were staged before `before` and never committed. Azure can't delete them, but committing none of them
 * makes an empty blob and lets them go, and that can be deleted.
 */
export async function dropOldBlocks(container: Container, before: Date): Promise<number> {
  let dropped = 0;
  for await (const blob of pages(container, { prefix: "", includeUncommitedBlobs: true })) {
    const key = blob.name.slice(container.prefix.length);
    if (blob.sizeBytes > 0 || blob.modifiedAt >= before || !isKey(key)) continue;
    if ((await headBlob(container, key, { doubt: SURELY_THERE })) !== undefined) continue;
    await container.guard.run(`let go the blocks of ${key}`, async (signal) => {
      const blobClient = blobAt(container, key);
      await blobClient.commitBlockList([], { abortSignal: signal, conditions: { ifNoneMatch: "*" } });
      await blobClient.deleteIfExists({ abortSignal: signal });
    });
    dropped++;
  }
  return dropped;
}

async function* pages(
  container: Container,
  { prefix, ...options }: { prefix: string; includeUncommitedBlobs?: boolean },
): AsyncGenerator<{ name: string; sizeBytes: number; modifiedAt: Date }> {
  let token: string | undefined;
  do {
    const page = await container.guard.run(`list ${prefix}`, async (signal) => {
      const listing = container.client.listBlobsFlat({ prefix: container.prefix + prefix, abortSignal: signal, ...options });
      const { value } = await listing.byPage(token === undefined ? {} : { continuationToken: token }).next();
      // An error document in place of the page: taken for an empty one it would hide every object.
      if (value?.segment?.blobItems === undefined) throw new WrongAnswer("the answer is no list of blobs");
      return value;
    });
    for (const { name, properties } of page.segment.blobItems) {
      yield { name, sizeBytes: properties.contentLength ?? 0, modifiedAt: properties.lastModified };
    }
    token = page.continuationToken === "" ? undefined : page.continuationToken;
  } while (token !== undefined);
}
