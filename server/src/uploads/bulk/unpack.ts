import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { constants, createGunzip, createZstdDecompress } from "node:zlib";
import { badArchive } from "./archive-entry.ts";

/** How the whole archive is packed, told by its first bytes and not by what the request says of it. */
export type Packing = "gzip" | "zstd";

/** Larger windows would be memory that a hostile archive takes with few bytes; RFC 8878 §3.1.1.1.2 recommends to support 8 MiB. */
const ZSTD_WINDOW_LOG = 23;
const CHUNK_BYTES = 64 * 1_024;

/** The plain bytes of a packed stream. Throws Problem `validation_failed` for what is damaged or cut, else what `packed` throws. */
export async function* unpack(packed: AsyncIterable<Buffer>, packing: Packing): AsyncGenerator<Buffer> {
  let received = 0;
  let source: { readonly error: unknown } | undefined;
  async function* counted(): AsyncGenerator<Buffer> {
    try {
      for await (const chunk of packed) {
        received += chunk.length;
        yield chunk;
      }
    } catch (error) {
      source = { error };
      throw error;
    }
  }
  const decoder =
    packing === "gzip"
      ? createGunzip({ chunkSize: CHUNK_BYTES })
      : createZstdDecompress({ chunkSize: CHUNK_BYTES, params: { [constants.ZSTD_d_windowLogMax]: ZSTD_WINDOW_LOG } });
  const fed = pipeline(Readable.from(counted(), { objectMode: false }), decoder, { end: true });
  fed.catch(() => undefined);
  try {
    for await (const chunk of decoder) yield chunk;
    await fed;
  } catch (error) {
    if (source !== undefined) throw source.error;
    throw badArchive(
      `its ${packing} is damaged, cut off or of a window above 8 MiB (${error instanceof Error ? error.message : String(error)})`,
      error,
    );
  } finally {
    decoder.destroy();
  }
  // Node stops behind the first of several zstd frames in a chunk, and says nothing.
  if (packing === "zstd" && decoder.bytesWritten < received) throw badArchive("bytes follow its zstd frame; send one frame");
}
