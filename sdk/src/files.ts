import type { FileResource, FileSummary, Metadata, UploadAnswer } from "@filemill/contract/files.ts";
import type { JobAccepted } from "@filemill/contract/jobs.ts";
import type { LineageAnswer, LineageDirection } from "@filemill/contract/lineage.ts";
import { FilemillError } from "./error.ts";
import { fileLifeOf, type FileLife } from "./file-life.ts";
import { listOf, type List, type ListQuery } from "./pages.ts";
import { uploadResumable, type ResumableOptions, type ResumedUpload } from "./resumable.ts";
import { runStreamed, type StreamedUpload } from "./stream-upload.ts";
import type { Transport } from "./transport.ts";
import type { RunOptions, Upload, UploadOptions } from "./upload.ts";

export interface Files extends FileLife {
  /** One request a file, with its length. */
  put(upload: Upload, options?: UploadOptions): Promise<FileSummary>;
  /** In requests that go on where one broke off, by tus; disk-resumable.ts goes on in a later process too. */
  uploadResumable(upload: Upload, options?: ResumableOptions): Promise<ResumedUpload>;
  /** Many files in one multipart request. */
  putMany(uploads: readonly Upload[], options?: UploadOptions): Promise<FileSummary[]>;
  /** Uploads and starts a job over the files, in one request. */
  run(uploads: readonly Upload[], options: RunOptions): Promise<JobAccepted>;
  /** The same for one content of unknown length, sent on as it comes; in one try. */
  runStreamed(upload: StreamedUpload, options: RunOptions): Promise<JobAccepted>;
  list(query?: ListQuery): List<FileResource>;
  get(id: string): Promise<FileResource>;
  /** The bytes, or those from `start` (inclusive) on. disk.ts stores them in a file and checks the digest. */
  content(id: string, options?: { start?: number; signal?: AbortSignal | undefined }): Promise<Response>;
  remove(id: string): Promise<void>;
  /** What it was made from, and what was made from it. */
  lineage(id: string, query?: LineageQuery): Promise<LineageAnswer>;
}

export interface LineageQuery {
  readonly direction?: LineageDirection | undefined;
  /** Steps away from the file. */
  readonly depth?: number | undefined;
  /** Links between files, in each direction. */
  readonly limit?: number | undefined;
}

const FILES = "/api/v1/files";

export function filesOf(transport: Transport): Files {
  const one = (id: string) => `${FILES}/${encodeURIComponent(id)}`;
  const post = <T>(content: FormData, signal: AbortSignal | undefined) =>
    transport.json<T>({ method: "POST", path: FILES, content, signal });

  return {
    ...fileLifeOf(transport),
    async put({ name, content, sha256 }, options = {}) {
      const { files } = await transport.json<UploadAnswer>({
        method: "PUT",
        path: one(name),
        content,
        query: metadataQuery(options.metadata),
        headers: { "content-type": "application/octet-stream", ...(sha256 === undefined ? {} : { "repr-digest": reprDigest(sha256) }) },
        signal: options.signal,
      });
      const [file] = files;
      if (file) return file;
      throw new FilemillError({ code: "bad_answer", status: 201, detail: `The server did not say what became of "${name}".` });
    },
    uploadResumable: (upload, options) => uploadResumable(transport, upload, options),
    async putMany(uploads, options = {}) {
      const answer = await post<UploadAnswer>(formOf(uploads, options), options.signal);
      return answer.files;
    },
    run: (uploads, options) => post<JobAccepted>(formOf(uploads, options), options.signal),
    runStreamed: (upload, options) => runStreamed(transport, upload, options),
    list: (query) => listOf(transport, FILES, query),
    get: (id) => transport.json({ method: "GET", path: one(id) }),
    content: (id, options = {}) =>
      transport.send({
        method: "GET",
        path: `${one(id)}/content`,
        headers: options.start ? { range: `bytes=${options.start}-` } : {},
        signal: options.signal,
      }),
    remove: (id) => transport.json({ method: "DELETE", path: one(id) }),
    lineage: (id, query = {}) => transport.json({ method: "GET", path: `${one(id)}/lineage`, query: textsOf(query) }),
  };
}

/** Fields go before the files, so that the server knows what is asked before the first byte of content. */
function formOf(uploads: readonly Upload[], options: UploadOptions & Partial<RunOptions>): FormData {
  const form = new FormData();
  if (options.pipeline !== undefined) {
    form.set("pipeline", typeof options.pipeline === "string" ? options.pipeline : JSON.stringify(options.pipeline));
  }
  if (options.params !== undefined) form.set("params", JSON.stringify(options.params));
  if (options.metadata !== undefined) form.set("metadata", JSON.stringify(options.metadata));
  for (const upload of uploads) form.append("file", upload.content, upload.name);
  return form;
}

function textsOf({ direction, depth, limit }: LineageQuery): Record<string, string> {
  return {
    ...(direction === undefined ? {} : { direction }),
    ...(depth === undefined ? {} : { depth: String(depth) }),
    ...(limit === undefined ? {} : { limit: String(limit) }),
  };
}

function metadataQuery(metadata: Metadata = {}): Record<string, string> {
  return Object.fromEntries(Object.entries(metadata).map(([key, value]) => [`metadata.${key}`, value]));
}

/** RFC 9530. */
function reprDigest(sha256: string): string {
  const bytes = (sha256.match(/../g) ?? []).map((pair) => String.fromCharCode(parseInt(pair, 16)));
  return `sha-256=:${btoa(bytes.join(""))}:`;
}
