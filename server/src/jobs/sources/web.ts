/** A request for one file of the web, of which the content goes to a file on local disk and not into the store. */
export interface WebRequest {
  readonly url: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** Written anew with each try. */
  readonly path: string;
  /** For the file, in place of what the server or the URL call it. */
  readonly name?: string | undefined;
  readonly maxBytes: number;
  /** What must come, where that is known. */
  readonly sizeBytes?: number | undefined;
  readonly sha256?: Buffer | undefined;
  /** Time for one try, ms. */
  readonly tryMs: number;
  readonly tries: number;
  /** Told of bytes as they come, and with a negative number of those that did not count after all. May throw. */
  readonly onBytes: (bytes: number) => void;
  readonly signal: AbortSignal;
}

export interface WebFile {
  /** Fit to be a file's. */
  readonly name: string;
  readonly sizeBytes: number;
  /** Told from the content. */
  readonly mediaType: string;
}

/** Rejects SourceError, what `onBytes` threw, errors of the local disk, or the signal's reason; nothing lies at `path` then. */
export type FetchFromWeb = (request: WebRequest) => Promise<WebFile>;
