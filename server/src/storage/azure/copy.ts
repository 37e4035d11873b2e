import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { SURELY_THERE } from "../remote/doubt.ts";
import { StorageError } from "../../errors.ts";
import type { StorageClass } from "@filemill/contract/storage-class.ts";
import { blobAt, TIERS, tierOption, WRITE_ID, type Container } from "./container.ts";
import { headBlob, type AzureHead } from "./head.ts";

const LOOK_EVERY_MS = 100;

/** Inside the account; no byte comes here. Azure may take its time, which is waited for. */
export async function copyBlob(container: Container, from: string, to: string): Promise<void> {
  const what = `copy ${from} to ${to}`;
  const source = await requireBlob(container, from);
  const writeId = randomUUID();
  try {
    await container.guard.run(what, async (signal) => {
      const poller = await blobAt(container, to).beginCopyFromURL(blobAt(container, from).url, {
        abortSignal: signal,
        conditions: { ifNoneMatch: "*" },
        metadata: { [WRITE_ID]: writeId },
        intervalInMs: LOOK_EVERY_MS,
        ...tierOption(source.storageClass),
      });
      await poller.pollUntilDone();
    });
  } catch (error) {
    // The answer to an earlier try may have been lost: then it is our own copy that takes the key.
    if (!(error instanceof StorageError && error.code === "exists")) throw error;
    if ((await headBlob(container, to, { doubt: SURELY_THERE }))?.writeId !== writeId) throw error;
  }
  let copied = await headBlob(container, to, { doubt: SURELY_THERE });
  for (; copied?.copyStatus === "pending"; copied = await headBlob(container, to, { doubt: SURELY_THERE })) await delay(LOOK_EVERY_MS);
  if (copied?.writeId === writeId && copied.sizeBytes === source.sizeBytes) return;
  throw new StorageError("unavailable", `${container.name}: ${what}: the store does not show the copy that it made`);
}

/** Azure changes a tier in place. Out of the archive takes it hours. */
export async function setBlobTier(container: Container, key: string, storageClass: StorageClass): Promise<"done" | "under_way"> {
  const before = await requireBlob(container, key);
  if (before.isComingBack) return "under_way";
  if (before.storageClass === storageClass) return "done";
  await container.guard.run(`set the tier of ${key}`, (signal) =>
    blobAt(container, key).setAccessTier(TIERS[storageClass], { abortSignal: signal }),
  );
  return (await requireBlob(container, key)).isComingBack ? "under_way" : "done";
}

async function requireBlob(container: Container, key: string): Promise<AzureHead> {
  const found = await headBlob(container, key, { doubt: SURELY_THERE });
  if (found === undefined) throw new StorageError("not_found", `${container.name}: there is no object ${key}`);
  return found;
}
