import type { FileResource } from "@filemill/contract/files.ts";
import { FilemillError } from "./error.ts";

import { backoffMs, pause } from "./pause.ts";
import type { Transport } from "./transport.ts";
import type { RunOptions, Upload, UploadOptions } from "./upload.ts";

export interface ResumableOptions extends UploadOptions, Partial<Pick<RunOptions, "pipeline" | "params">> {
  /** Path of an upload that was begun before: goes on with it, where it is still there and as long as this content. */
  readonly begun?: string | undefined;
  /** Told of the path as soon as there is one; keep it to go on after this process. Waited for. */
  readonly onBegun?: ((path: string) => Promise<void> | void) | undefined;
  /** Told how many bytes are on their way or stored; may go back where some of them did not arrive. */
  readonly onSent?: ((bytes: number) => void) | undefined;
}

export interface ResumedUpload {
  readonly file: FileResource;
  /** Where a pipeline was named. */
  readonly jobId: string | undefined;
  /** The code of why there is no job all the same: `not_found` where the pipeline was deleted while the bytes came. */
  readonly jobProblem: string | undefined;
}

const UPLOADS = "/api/v1/uploads";
const TUS = { "tus-resumable": "1.0.0" };
/** Without a byte that came through; a server that was killed is back before. */
const MOST_FAILURES = 12;

/**
 * Uploads by tus 1.0.0, with all that is left in one request, and goes on from what the server has whenever the connection
 * breaks or the server is away. Rejects with FilemillError where that is of no use, or when it went on failing.
 */
export async function uploadResumable(transport: Transport, upload: Upload, options: ResumableOptions = {}): Promise<ResumedUpload> {
  const { signal } = options;
  let path = options.begun;
  let state: State | undefined;
  for (let failures = 0; ; failures++) {
    try {
      if (path !== undefined) state = await look(transport, path, upload, signal);
      // It has expired, was ended, or is another content's.
      if (path !== undefined && state === undefined) path = undefined;
      if (path === undefined) {
        const begun = await begin(transport, upload, options);
        ({ path } = begun);
        state = begun;
        await options.onBegun?.(path);
      }
      while (state !== undefined && state.fileId === undefined) {
        const before = state.offset;
        state = await sendRest(transport, { path, upload, offset: before, options });
        if (state.offset > before) failures = 0;
      }
      if (state?.fileId !== undefined) return await fileOf(transport, { ...state, fileId: state.fileId }, signal);
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof FilemillError) || !canGoOn(error) || failures >= MOST_FAILURES) throw error;
      await pause(backoffMs(failures, error.retryAfter), signal);
    }
  }
}

interface State {
  readonly offset: number;
  /** Once it is complete. */
  readonly fileId: string | undefined;
  readonly jobId: string | undefined;
  readonly jobProblem: string | undefined;
}

async function begin(transport: Transport, { name, content }: Upload, options: ResumableOptions): Promise<State & { path: string }> {
  const { metadata, pipeline, params, signal } = options;
  const described = {
    filename: name,
    ...(metadata && { metadata: JSON.stringify(metadata) }),
    ...(pipeline !== undefined && { pipeline: typeof pipeline === "string" ? pipeline : JSON.stringify(pipeline) }),
    ...(params && { params: JSON.stringify(params) }),
  };
  const headers = { ...TUS, "upload-length": String(content.size), "upload-metadata": metadataHeader(described) };
  const answer = await transport.once({ method: "POST", path: UPLOADS, headers, signal });
  const location = answer.headers.get("location");
  if (location === null) throw badAnswer(`The server did not say where to send "${name}".`);
  return { path: new URL(location, "http://any").pathname, ...stateIn(answer) };
}

/** Undefined where it is not there, or not for this content. */
async function look(transport: Transport, path: string, { content }: Upload, signal: AbortSignal | undefined): Promise<State | undefined> {
  try {
    const answer = await transport.once({ method: "HEAD", path, headers: TUS, signal });
    return answer.headers.get("upload-length") === String(content.size) ? stateIn(answer) : undefined;
  } catch (error) {
    if (error instanceof FilemillError && (error.status === 404 || error.status === 410)) return undefined;
    throw error;
  }
}

async function sendRest(
  transport: Transport,
  { path, upload, offset, options }: { path: string; upload: Upload; offset: number; options: ResumableOptions },
): Promise<State> {
  const { onSent, signal } = options;
  const rest = upload.content.slice(offset);
  let sent = offset;
  onSent?.(sent);
  const read = rest.stream.bind(rest);
  // fetch reads a Blob through its stream(), and takes the length from its size.
  rest.stream = () =>
    read().pipeThrough(
      new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
        transform(chunk, controller) {
          sent += chunk.byteLength;
          onSent?.(sent);
          controller.enqueue(chunk);
        },
      }),
    );
  const headers = { ...TUS, "content-type": "application/offset+octet-stream", "upload-offset": String(offset) };
  return stateIn(await transport.once({ method: "PATCH", path, content: rest, headers, signal }));
}

async function fileOf(
  transport: Transport,
  { fileId, jobId, jobProblem }: State & { fileId: string },
  signal: AbortSignal | undefined,
): Promise<ResumedUpload> {
  const file = await transport.json<FileResource>({ method: "GET", path: `/api/v1/files/${encodeURIComponent(fileId)}`, signal });
  return { file, jobId, jobProblem };
}

function stateIn({ headers }: Response): State {
  return {
    offset: Number(headers.get("upload-offset") ?? 0),
    fileId: headers.get("filemill-file-id") ?? undefined,
    jobId: headers.get("filemill-job-id") ?? undefined,
    jobProblem: headers.get("filemill-job-problem") ?? undefined,
  };
}

/** The server is away or busy, another request still holds the upload, or it has other bytes than we thought: look again. */
function canGoOn({ status, code }: FilemillError): boolean {
  return [0, 423, 429, 460, 502, 503, 504].includes(status) || code === "offset_mismatch";
}

function metadataHeader(pairs: Readonly<Record<string, string>>): string {
  return Object.entries(pairs)
    .map(([key, value]) => `${key} ${btoa(String.fromCharCode(...new TextEncoder().encode(value)))}`)
    .join(",");
}

function badAnswer(detail: string): FilemillError {
  return new FilemillError({ code: "bad_answer", status: 201, detail });
}
