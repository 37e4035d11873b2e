import { Upload } from "tus-js-client";

/** One try of a tus client, as an application would make it. */
export interface Try {
  /** Of the API, or of a proxy in front of it. */
  readonly url: string;
  readonly key: string;
  readonly name: string;
  readonly content: Buffer;
  /** Path of an upload that was begun, to go on with it. */
  readonly begun?: string | undefined;
  /** Pauses before further tries of its own; none unless told. */
  readonly retryDelaysMs?: readonly number[];
  readonly chunkBytes?: number;
  readonly parallel?: number;
  readonly inCreation?: boolean;
  readonly metadata?: Readonly<Record<string, string>>;
}

export interface Outcome {
  /** Path of the upload, as soon as the client knew it. */
  readonly path: string | undefined;
  /** What it became; undefined where the try failed. */
  readonly fileId: string | undefined;
  readonly jobId: string | undefined;
  readonly error: Error | undefined;
}

/** Uploads with tus-js-client; never rejects. */
export function tusUpload(order: Try): Promise<Outcome> {
  const { url, key, name, content, begun, retryDelaysMs, chunkBytes, parallel, inCreation = false, metadata = {} } = order;
  return new Promise((resolve) => {
    let jobId: string | undefined;
    let fileId: string | undefined;
    const done = (error?: Error) => resolve({ path: pathOf(upload.url), fileId, jobId, error });
    const upload: Upload = new Upload(content, {
      endpoint: `${url}/api/v1/uploads`,
      headers: { authorization: `Bearer ${key}` },
      metadata: { filename: name, ...metadata },
      retryDelays: retryDelaysMs === undefined ? null : [...retryDelaysMs],
      storeFingerprintForResuming: false,
      uploadDataDuringCreation: inCreation,
      ...(begun !== undefined && { uploadUrl: `${url}${begun}` }),
      ...(chunkBytes !== undefined && { chunkSize: chunkBytes }),
      ...(parallel !== undefined && { parallelUploads: parallel }),
      onAfterResponse(_request, response) {
        fileId = response.getHeader("filemill-file-id") ?? fileId;
        jobId = response.getHeader("filemill-job-id") ?? jobId;
      },
      onSuccess: () => done(),
      onError: (error) => done(error),
    });
    upload.start();
  });
}

function pathOf(url: string | null): string | undefined {
  return url === null ? undefined : new URL(url).pathname;
}
