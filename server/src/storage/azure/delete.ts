import { StorageError } from "../../errors.ts";
import { blobAt, type Container } from "./container.ts";
import { headBlob } from "./head.ts";

/** Answers that say "there is no such blob" of one that is there, in a row. */
const MAX_WRONG = 3;

/** A 404 is believed when asking for the blob gives one too. */
export async function deleteBlob(container: Container, key: string): Promise<void> {
  for (let wrong = 0; ; wrong++) {
    try {
      await container.guard.run(`delete ${key}`, (signal) => blobAt(container, key).delete({ abortSignal: signal }));
      return;
    } catch (error) {
      if (!(error instanceof StorageError && error.code === "not_found")) throw error;
      if ((await headBlob(container, key)) === undefined) return;
      if (wrong >= MAX_WRONG) throw new StorageError("unavailable", `${error.message}, and it has it`, { cause: error });
    }
  }
}
