import type { IncomingMessage } from "node:http";
import busboy from "busboy";

/** The first part `file` of a form, while the form is still coming. */
export interface ImagePart {
  /** As the client gave it; empty where it gave none. */
  readonly name: string;
  /** Its bytes. Ends only when the whole form has come in order; throws FormError where it doesn't. */
  readonly content: AsyncIterable<Uint8Array>;
  /** Reads on and throws away, so that the client can finish sending and then sees the answer. */
  leave(): void;
}

/** The client's fault: a form that is malformed, cut off or too large. */
export class FormError extends Error {
  readonly status: 400 | 413;
  constructor(status: 400 | 413, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "FormError";
    this.status = status;
  }
}

export const MAX_IMAGE_BYTES = 100 * 2 ** 20;
const LIMITS = { fileSize: MAX_IMAGE_BYTES, fields: 20, fieldSize: 64 * 2 ** 10, files: 20, parts: 40, headerPairs: 20 };

/**
 * Resolves as soon as the part begins, or with undefined when the form has ended without one (a body that is no form has
 * none). Rejects with FormError.
 */
export async function readImage(body: IncomingMessage): Promise<ImagePart | undefined> {
  if (!/^multipart\/form-data\b/i.test(body.headers["content-type"] ?? "")) {
    body.resume();
    return undefined;
  }
  const parser = openParser(body);
  const begun = Promise.withResolvers<ImagePart | undefined>();
  const whole = Promise.withResolvers<void>();
  whole.promise.catch(() => undefined); // Told through `content`, or by `begun`.
  const leave = () => {
    body.unpipe(parser);
    parser.destroy();
    body.resume();
  };
  const fail = (error: FormError) => {
    whole.reject(error);
    begun.reject(error);
    leave();
  };
  let found = false;
  parser.on("file", (field: string | undefined, stream, { filename }: { filename?: string }) => {
    // A stream without a listener would turn the cut-off of its part into an uncaught exception.
    stream.on("error", () => undefined);
    if (field !== "file" || found) return void stream.resume();
    found = true;
    stream.once("limit", () => fail(new FormError(413, `Images of more than ${MAX_IMAGE_BYTES / 2 ** 20} MiB are not taken`)));
    begun.resolve({ name: filename ?? "", content: contentOf(stream, whole.promise), leave });
  });
  parser.once("close", () => {
    whole.resolve();
    begun.resolve(undefined);
  });
  parser.once("error", (cause) => fail(new FormError(400, "The multipart body can't be read", { cause })));
  body.once("close", () => {
    if (!body.complete) fail(new FormError(400, "The body has broken off"));
  });
  body.pipe(parser);
  return begun.promise;
}

/** What the client has sent is not what it meant to send before the form has ended: only then does the content end. */
async function* contentOf(stream: AsyncIterable<Uint8Array>, whole: Promise<void>): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    yield* stream;
  } catch (error) {
    await whole;
    throw error;
  }
  await whole;
}

function openParser(body: IncomingMessage): busboy.Busboy {
  try {
    return busboy({ headers: body.headers, defParamCharset: "utf8", limits: LIMITS });
  } catch (cause) {
    body.resume();
    throw new FormError(400, "The multipart body can't be read", { cause });
  }
}
