import type { Client } from "./client.ts";
import { uploadFromDisk } from "./disk.ts";
import type { ResumableOptions, ResumedUpload } from "./resumable.ts";
import { fingerprintOf, type UploadMemory } from "./upload-memory.ts";

export interface DiskResumableOptions extends Omit<ResumableOptions, "begun" | "onBegun"> {
  readonly name?: string;
  /** Told where the upload is; a later call with the same memory and the same unchanged file goes on with it. */
  readonly memory: UploadMemory;
}

/** Uploads a file of the disk, and goes on with what an earlier call, also of another process, has sent of it. */
export async function uploadResumable(client: Client, path: string, options: DiskResumableOptions): Promise<ResumedUpload> {
  const { name, memory, ...more } = options;
  const upload = await uploadFromDisk(path, name === undefined ? {} : { name });
  const fingerprint = await fingerprintOf(path, [upload.name, more.metadata ?? null, more.pipeline ?? null, more.params ?? null]);
  const begun = await memory.find(fingerprint);
  const done = await client.files.uploadResumable(upload, { ...more, begun, onBegun: (at) => memory.keep(fingerprint, at) });
  await memory.forget(fingerprint);
  return done;
}
