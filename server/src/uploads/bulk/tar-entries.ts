import { pipeline } from "node:stream/promises";
import { extract as createExtract, type Header } from "tar-stream";
import { Problem } from "../../errors.ts";
import { badArchive, type ArchiveEntry, type ArchivedOther } from "./archive-entry.ts";

const BLOCK_BYTES = 512;

const OTHERS: Readonly<Record<string, ArchivedOther["kind"]>> = {
  directory: "folder",
  symlink: "symbolic_link",
  link: "hard_link",
  "character-device": "device",
  "block-device": "device",
  fifo: "fifo",
};

/**
 * The entries of a tar (ustar, pax, GNU) as it streams by. An archive that ends without its end marker was cut, by a
 * writer that died for one, even where the cut is between two entries: it is refused, when its whole entries have been
 * given. Throws Problem `validation_failed` for what is damaged, else what `body` throws.
 */
export async function* tarEntries(body: AsyncIterable<Buffer>): AsyncGenerator<ArchiveEntry> {
  const extract = createExtract();
  const tail = watchTail();
  let source: { readonly error: unknown } | undefined;
  async function* watched(): AsyncGenerator<Buffer> {
    try {
      for await (const chunk of body) {
        tail.add(chunk);
        yield chunk;
      }
    } catch (error) {
      source = { error };
      throw error;
    }
  }
  const fed = pipeline(watched(), extract);
  fed.catch(() => undefined);
  let endOfLast = 0;
  let last = "";
  const told = (error: unknown) =>
    source === undefined
      ? badArchive(`${lowerFirst(messageOf(error))}, ${last === "" ? "at its start" : `in or behind "${last}"`}`, error)
      : source.error;
  /** No generator: one of them for each small file took as long as to read it. */
  function bytesOf(entry: AsyncIterable<unknown>): AsyncIterable<Buffer> {
    return {
      [Symbol.asyncIterator]() {
        const chunks = entry[Symbol.asyncIterator]();
        return {
          next: () => chunks.next().then(bytesIn, whyEnded),
          return: async () => ({ done: true, value: await chunks.return?.() }),
        };
      },
    };
  }

  /** Where the archive ends inside an entry, the entry only says that it was closed. */
  async function whyEnded(error: unknown): Promise<never> {
    throw told(await fed.then(() => error).catch((cause: unknown) => cause));
  }

  try {
    for await (const entry of extract) {
      const { header } = entry;
      last = header.name;
      endOfLast = endOf(header);
      const kind = kindOf(header);
      if (kind === "file") yield { kind, name: header.name, content: bytesOf(entry) };
      else yield { kind, name: header.name };
      // A no-op where it was read.
      entry.resume();
    }
    await fed;
  } catch (error) {
    throw error instanceof Problem ? error : told(error);
  } finally {
    extract.destroy();
  }
  if (tail.zeros() < BLOCK_BYTES || tail.total() - endOfLast < BLOCK_BYTES) {
    throw badArchive(`it ends without the end marker of a tar, so it was cut off${last === "" ? "" : ` behind "${last}"`}`);
  }
}

function bytesIn(next: IteratorResult<unknown>): IteratorResult<Buffer> {
  if (next.done === true) return { done: true, value: undefined };
  if (!Buffer.isBuffer(next.value)) throw new TypeError("tar-stream gives no bytes");
  return { done: false, value: next.value };
}

function kindOf({ type, pax }: Header): ArchiveEntry["kind"] {
  // A sparse file's content is a map of pieces, not the file.
  if (typeof pax === "object" && pax !== null && "GNU.sparse.major" in pax) return "sparse_file";
  if (type === "file" || type === "contiguous-file") return "file";
  // Null for what tar-stream does not know, which its types leave out.
  return OTHERS[type ?? ""] ?? "unknown";
}

/** Offset behind the entry's last block. tar-stream gives where its content begins, which its types leave out. */
function endOf(header: Header): number {
  const start = "byteOffset" in header && typeof header.byteOffset === "number" ? header.byteOffset : 0;
  const size = header.type === "directory" ? 0 : header.size;
  return start + Math.ceil(size / BLOCK_BYTES) * BLOCK_BYTES;
}

/** How many bytes came, and how many zeros at the end. */
function watchTail() {
  let total = 0;
  let zeros = 0;
  return {
    add(chunk: Buffer): void {
      total += chunk.length;
      let at = chunk.length;
      while (at > 0 && chunk[at - 1] === 0) at--;
      zeros = at === 0 ? zeros + chunk.length : chunk.length - at;
    },
    total: () => total,
    zeros: () => zeros,
  };
}

function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replace(/[.\s]+$/, "");
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
