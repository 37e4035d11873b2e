import type { IncomingHttpHeaders } from "node:http";
import type { Readable } from "node:stream";
import busboy from "busboy";
import { z } from "zod";
import { Problem } from "../errors.ts";
import { claimsOf, createDigestCheck, type DigestClaims } from "./digest-fields.ts";
import { partFileName } from "./file-name.ts";
import { partHeadersOf } from "./part-headers.ts";
import { tooLarge } from "./receive.ts";

export interface MultipartForm {
  /** Fields that are not files, each given once. */
  readonly fields: ReadonlyMap<string, string>;
}

export interface MultipartReading {
  readonly headers: IncomingHttpHeaders;
  /** Names that fields may have; anything else, `__proto__` for one, is refused. */
  readonly fieldNames: readonly string[];
  readonly maxFiles: number;
  readonly maxFileBytes: number;
  /** Of the whole body, delimiters included. */
  readonly digests?: DigestClaims | undefined;
  /** Takes one `file` part, wholly; called for one after the other, in the order of the body. */
  readonly onFile: (content: Readable, part: FilePart) => Promise<void>;
}

export interface FilePart {
  readonly name: string;
  /** Of the part's own headers, where it has such. */
  readonly digests: DigestClaims | undefined;
}

/** A pipeline document, parameters or metadata. */
const MAX_FIELD_BYTES = 1 * 2 ** 20;
const MAX_FIELD_NAME_BYTES = 100;
const MAX_HEADER_PAIRS = 20;
const FILE_FIELD = "file";
/** Small parts may be parsed ahead of the one that is being stored; the body waits where more would be. */
const MAX_PARTS_AHEAD = 16;

/**
 * Reads a multipart/form-data body (RFC 7578) to its closing boundary. Files are streamed one after the other and may
 * stand before or after the fields. When it rejects, no call of `onFile` is under way any more.
 *
 * Throws Problem `validation_failed` for a body that is malformed or cut off, `digest_mismatch`, `file_too_large` for too
 * many parts, what `onFile` rejects with, or the error of `body` where the client goes away.
 */
export async function readMultipart(body: Readable, reading: MultipartReading): Promise<MultipartForm> {
  const parser = openParser(reading);
  const delimiters = delimitersSeen(parser);
  const partHeaders = partHeadersOf(parser);
  const whole = reading.digests && createDigestCheck(reading.digests);
  let parts = 0;
  const fields = new Map<string, string>();
  let failure: unknown;
  let queue: Promise<void> = Promise.resolve();
  let ahead = 0;
  const wake = new Set<() => void>();
  const waker = () => new Promise<void>((resolve) => wake.add(resolve));
  const wakeAll = () => {
    for (const resolve of wake) resolve();
    wake.clear();
  };
  const fail = (error: unknown) => {
    failure ??= error;
    wakeAll();
  };

  parser.on("file", (field: string | undefined, content, { filename, encoding }: { filename?: string; encoding: string }) => {
    // A stream without a listener would turn the cut-off of its part into an uncaught exception.
    content.on("error", () => undefined);
    content.on("limit", () => fail(tooLarge(reading.maxFileBytes)));
    parts++;
    ahead++;
    const headers = partHeaders();
    queue = queue.then(async () => {
      try {
        if (failure !== undefined) return;
        if (field !== FILE_FIELD) throw malformed(`files go into parts named "${FILE_FIELD}", not ${JSON.stringify(field ?? "")}`);
        if (isEncoded(encoding)) throw encodedPart(encoding);
        await reading.onFile(content, { name: partFileName(filename ?? ""), digests: claimsOf({ headers }) });
      } catch (error) {
        fail(error);
      } finally {
        content.resume();
        ahead--;
        wakeAll();
      }
    });
  });
  parser.on("field", (field: string | undefined, value, { nameTruncated, valueTruncated, encoding }) => {
    parts++;
    if (nameTruncated || valueTruncated) fail(new Problem("file_too_large", `A field may have at most ${MAX_FIELD_BYTES} bytes.`));
    else if (isEncoded(encoding)) fail(encodedPart(encoding));
    else if (field === FILE_FIELD) fail(malformed(`a part named "${FILE_FIELD}" needs a file name`));
    else if (field === undefined || !reading.fieldNames.includes(field))
      fail(malformed(`there is no field ${JSON.stringify(field ?? "")}; use ${reading.fieldNames.join(", ")}`));
    else if (fields.has(field)) fail(malformed(`the field "${field}" is given twice`));
    else fields.set(field, value);
  });
  for (const limit of ["partsLimit", "filesLimit", "fieldsLimit"] as const) {
    parser.on(limit, () =>
      fail(new Problem("file_too_large", `One request takes at most ${reading.maxFiles} files. Send several requests.`)),
    );
  }
  const closed = new Promise<void>((resolve) => parser.once("close", resolve));
  parser.on("error", (error) => fail(malformed(error instanceof Error ? error.message : String(error))));

  try {
    for await (const chunk of body.iterator({ destroyOnReturn: false })) {
      whole?.update(chunk);
      let drained = parser.write(chunk);
      if (!drained) {
        parser.once("drain", () => {
          drained = true;
          wakeAll();
        });
      }
      while ((!drained || ahead > MAX_PARTS_AHEAD) && failure === undefined) await waker();
      if (failure !== undefined) break;
    }
    if (failure === undefined) {
      parser.end();
      await Promise.race([
        closed,
        (async () => {
          while (failure === undefined) await waker();
        })(),
      ]);
      // The last delimiter ends the body; every other one begins a part.
      if (parts !== delimiters() - 1) fail(malformed('every part needs a line "Content-Disposition: form-data" with a name'));
      whole?.check();
    }
  } catch (error) {
    fail(error);
  }
  // Ends the part that is being read, so that whoever reads it learns that no more will come.
  if (failure !== undefined) parser.destroy();
  await queue;
  if (failure !== undefined) throw failure;
  return { fields };
}

function openParser(reading: MultipartReading): busboy.Busboy {
  try {
    return busboy({
      headers: reading.headers,
      defParamCharset: "utf8",
      preservePath: true,
      limits: {
        files: reading.maxFiles,
        // One byte more, so that a file of exactly the limit passes.
        fileSize: reading.maxFileBytes + 1,
        fields: reading.fieldNames.length,
        fieldSize: MAX_FIELD_BYTES,
        fieldNameSize: MAX_FIELD_NAME_BYTES,
        // Told when the last part that fits ends, not when one too many begins.
        parts: reading.maxFiles + reading.fieldNames.length + 1,
        headerPairs: MAX_HEADER_PAIRS,
      },
    });
  } catch (error) {
    throw malformed(error instanceof Error ? error.message : String(error));
  }
}

/**
 * busboy passes over a part that it can't name, and what it holds would be lost without a word. Its search for delimiters
 * counts them all, though the search itself is not part of its interface.
 */
function delimitersSeen(parser: busboy.Busboy): () => number {
  const search = DelimiterSearch.parse(Reflect.get(parser, "_bparser"));
  return () => search.matches;
}

const DelimiterSearch = z.custom<{ readonly matches: number }>(
  (value) => typeof value === "object" && value !== null && "matches" in value && typeof value.matches === "number",
  "busboy no longer keeps its search where this release does",
);

/** RFC 7578 §4.7: the header is deprecated and says nothing where it names no transformation. */
function isEncoded(encoding: string): boolean {
  return !["7bit", "8bit", "binary"].includes(encoding.toLowerCase());
}

function encodedPart(encoding: string): Problem {
  return malformed(`a part has Content-Transfer-Encoding ${JSON.stringify(encoding)}; send its bytes as they are`);
}

function malformed(why: string): Problem {
  return new Problem("validation_failed", `The multipart body can't be read: ${why}.`);
}
