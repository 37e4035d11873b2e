import type { JobAccepted } from "@filemill/contract/jobs.ts";
import type { Transport } from "./transport.ts";
import type { RunOptions } from "./upload.ts";

/** A content that comes while it is sent, of a length that nobody knows yet. */
export interface StreamedUpload {
  readonly name: string;
  readonly content: AsyncIterable<Uint8Array>;
}

/**
 * Uploads one content as it comes and starts a job over it, in one request: it holds what the connection takes and no more.
 * As the content can't be had a second time, it is sent once: every failure is told, none is tried again. Nothing is stored
 * where `content` throws before its end.
 */
export function runStreamed(transport: Transport, upload: StreamedUpload, options: RunOptions): Promise<JobAccepted> {
  const boundary = `filemill-${crypto.randomUUID()}`;
  return transport
    .once({
      method: "POST",
      path: "/api/v1/files",
      headers: { accept: "application/json", "content-type": `multipart/form-data; boundary=${boundary}` },
      content: () => streamOf(formOf(upload, { ...options, boundary })),
      signal: options.signal,
      // The server builds its answers with the schemas of contract/.
    })
    .then((response) => response.json() as Promise<JobAccepted>);
}

async function* formOf(upload: StreamedUpload, options: RunOptions & { boundary: string }): AsyncGenerator<Uint8Array, void, undefined> {
  const { boundary, pipeline, params, metadata } = options;
  const encoder = new TextEncoder();
  const fields = {
    pipeline: typeof pipeline === "string" ? pipeline : JSON.stringify(pipeline),
    ...(params && { params: JSON.stringify(params) }),
    ...(metadata && { metadata: JSON.stringify(metadata) }),
  };
  for (const [name, value] of Object.entries(fields)) {
    yield encoder.encode(`--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`);
  }
  const described = `Content-Disposition: form-data; name="file"; filename="${quoted(upload.name)}"`;
  yield encoder.encode(`--${boundary}\r\n${described}\r\nContent-Type: application/octet-stream\r\n\r\n`);
  yield* upload.content;
  yield encoder.encode(`\r\n--${boundary}--\r\n`);
}

/** As WHATWG's form encoding does (HTML §4.10.21.8): these three would end the name or the header. */
function quoted(name: string): string {
  return name.replaceAll("\r", "%0D").replaceAll("\n", "%0A").replaceAll('"', "%22");
}

/** ReadableStream.from is not in every browser yet. */
function streamOf(chunks: AsyncGenerator<Uint8Array, void, undefined>): ReadableStream<Uint8Array> {
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await chunks.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    async cancel() {
      await chunks.return();
    },
  });
}
