import { randomBytes, randomUUID } from "node:crypto";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { StorageError } from "../errors.ts";
import type { ObjectStore } from "./object-store.ts";

/** Any tenant's keys start with its id; this one belongs to nobody. */
const NOBODY = "00000000-0000-0000-0000-000000000000";
const PROBE_BYTES = 1_024;

/** Writes an object, reads it, finds it in a list and deletes it. Rejects StorageError that says which of these can't be done. */
export async function probeStore(store: ObjectStore, signal?: AbortSignal): Promise<void> {
  const key = `${NOBODY}/${randomUUID()}/0/0`;
  const content = randomBytes(PROBE_BYTES);
  const options = signal === undefined ? {} : { signal };
  await store.put(key, Readable.from([content], { objectMode: false }), options);
  try {
    const read = await buffer(await store.get(key, options));
    if (!read.equals(content)) throw new StorageError("damaged", `${store.name}: what was written is not what is read`);
    const listed = await Array.fromAsync(store.list(key), (object) => object.key);
    if (!listed.includes(key)) throw new StorageError("unavailable", `${store.name}: a list does not show what was written`);
  } finally {
    await store.delete(key);
  }
}
