import { crc32 } from "node:zlib";
import type { Entry, ZipFile } from "yauzl";
import { zipEntryKind } from "../../zip/entry-kind.ts";
import { BadInput, type InputFile } from "../processor.ts";
import { checkOverlap } from "./check-overlap.ts";

export interface ExtractLimits {
  readonly totalBytes: number;
  readonly fileBytes: number;
  readonly files: number;
  /** Unpacked over packed bytes of one entry. */
  readonly ratio: number;
}

/** A regular file in a zip. `name` is the archive's own, with folders and all: never use it in a path. */
export interface ZipMember {
  readonly name: string;
  readonly header: Entry;
}

export interface OpenZip extends AsyncDisposable {
  /** Reads the directory once; BadInput where it asks for more than the limits, contradicts itself, is encrypted or has entries but no file. */
  listRegularFiles(): Promise<readonly ZipMember[]>;
  /** The bytes of a member, counted and checked as they come; ends with BadInput at a limit or on damage. */
  read(member: ZipMember): AsyncGenerator<Buffer>;
}

/** Small files may be packed as well as they like: the ratio counts above this. Bytes. */
const RATIO_FREE_BYTES = 2 ** 20;
const AES_METHOD = 99;

/**
 * Opens a zip that nobody vouches for. What headers claim is only used to refuse early; the limits are enforced on the
 * bytes that really come out, over all members together.
 */
export async function openZip(input: InputFile, limits: ExtractLimits): Promise<OpenZip> {
  const { openPromise, getFileNameLowLevel } = await import("yauzl");
  const bad = (code: BadInput["code"], what: string): BadInput => new BadInput(code, `"${input.name}": ${what}.`);
  const zip: ZipFile = await openPromise(input.path, { autoClose: false, lazyEntries: true, decodeStrings: false }).catch(
    (cause: unknown) => {
      throw unreadable(input, cause);
    },
  );
  if (zip.entryCount > limits.files) {
    zip.close();
    throw bad("limit_exceeded", `holds ${zip.entryCount} entries; at most ${limits.files} are allowed (max_files)`);
  }
  let totalBytes = 0;

  const refuseByHeader = (name: string, entry: Entry): void => {
    if (entry.isEncrypted() || entry.compressionMethod === AES_METHOD)
      throw bad("encrypted", `"${name}" is encrypted; unpack it yourself and send the files`);
    if (entry.compressionMethod !== 0 && entry.compressionMethod !== 8) {
      throw bad("type_mismatch", `"${name}" is packed by method ${entry.compressionMethod}; only stored and deflated entries can be read`);
    }
    if (entry.uncompressedSize > limits.fileBytes) throw tooLarge(name);
    if (isBomb(entry.uncompressedSize, entry)) throw tooDense(name);
  };
  const tooLarge = (name: string): BadInput => bad("limit_exceeded", `"${name}" unpacks to more than ${limits.fileBytes} bytes (max_file)`);
  const isBomb = (bytes: number, entry: Entry): boolean => bytes > RATIO_FREE_BYTES && bytes > entry.compressedSize * limits.ratio;
  const tooDense = (name: string): BadInput =>
    bad("limit_exceeded", `"${name}" unpacks to more than ${limits.ratio} times its packed size (max_ratio)`);
  const tooMuch = (): BadInput => bad("limit_exceeded", `unpacks to more than ${limits.totalBytes} bytes (max_total)`);

  return {
    async listRegularFiles() {
      const members: ZipMember[] = [];
      const entries: Entry[] = [];
      let declaredBytes = 0;
      try {
        for await (const entry of zip.eachEntry()) {
          entries.push(entry);
          const name = getFileNameLowLevel(entry.generalPurposeBitFlag, entry.fileNameRaw, entry.extraFields, false);
          if (zipEntryKind(name, entry.externalFileAttributes) !== "file") continue;
          refuseByHeader(name, entry);
          declaredBytes += entry.uncompressedSize;
          if (declaredBytes > limits.totalBytes) throw tooMuch();
          members.push({ name, header: entry });
        }
      } catch (error) {
        throw unreadable(input, error);
      }
      checkOverlap(entries, input);
      if (members.length === 0 && entries.length > 0) {
        throw bad("type_mismatch", `holds no regular file, only ${entries.length} folders, links or devices`);
      }
      return members;
    },

    async *read({ name, header }) {
      let bytes = 0;
      let checksum = 0;
      try {
        const content = await zip.openReadStreamPromise(header);
        for await (const chunk of content) {
          if (!Buffer.isBuffer(chunk)) throw new TypeError("expected bytes from the archive");
          bytes += chunk.length;
          totalBytes += chunk.length;
          if (bytes > limits.fileBytes) throw tooLarge(name);
          if (totalBytes > limits.totalBytes) throw tooMuch();
          if (isBomb(bytes, header)) throw tooDense(name);
          checksum = crc32(chunk, checksum);
          yield chunk;
        }
      } catch (error) {
        throw unreadable(input, error);
      }
      if (checksum !== header.crc32) throw bad("corrupt", `the bytes of "${name}" don't match their checksum`);
    },

    async [Symbol.asyncDispose]() {
      zip.close();
    },
  };
}

/** What yauzl and zlib throw says that the archive is damaged, but for trouble with our own disk. */
function unreadable(input: InputFile, cause: unknown): Error {
  if (cause instanceof BadInput) return cause;
  const error = cause instanceof Error ? cause : new Error(String(cause));
  const code = "code" in error ? String(error.code) : "";
  if (/^E[A-Z]+$/.test(code) || error.name === "AbortError") return error;
  if (/encryption/.test(error.message))
    return new BadInput("encrypted", `"${input.name}" is encrypted; unpack it yourself and send the files.`, { cause });
  return new BadInput("corrupt", `"${input.name}" is damaged: ${error.message.replace(/[.\s]+$/, "")}.`, { cause });
}
