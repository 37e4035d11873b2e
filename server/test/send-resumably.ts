import { once } from "node:events";
import { request, type IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Api, Sent } from "./measure-transfer.ts";
import { transferBlocks } from "./transfer-blocks.ts";

/** By tus, in PATCHes of `partBytes`. */
export function sendResumably(partBytes: number): (api: Api, sizeBytes: number) => Promise<Sent> {
  return async ({ url, authorization }, sizeBytes) => {
    const headers = { authorization, "tus-resumable": "1.0.0" };
    const creating = request(url.replace(/files$/, "uploads"), {
      method: "POST",
      headers: { ...headers, "upload-length": sizeBytes, "upload-metadata": "filename bGFyZ2UuYmlu" },
    });
    creating.end();
    const { location } = (await answerTo(creating)).headers;
    const content = transferBlocks();
    let fileId: unknown;
    for (let offset = 0; offset < sizeBytes; offset += partBytes) {
      const bytes = Math.min(partBytes, sizeBytes - offset);
      const patching = request(new URL(location ?? "", url), {
        method: "PATCH",
        headers: { ...headers, "content-type": "application/offset+octet-stream", "content-length": bytes, "upload-offset": offset },
      });
      const answered = answerTo(patching);
      await pipeline(Readable.from(content.read(bytes), { objectMode: false }), patching);
      fileId = (await answered).headers["filemill-file-id"];
    }
    const looked = await fetch(`${url}/${String(fileId)}`, { headers: { authorization } });
    const { id, sha256: told } = (await looked.json()) as { id: string; sha256: string };
    return { id, told, sha256: content.sha256() };
  };
}

async function answerTo(sending: ReturnType<typeof request>): Promise<IncomingMessage> {
  const [response] = (await once(sending, "response")) as [IncomingMessage];
  response.resume();
  await once(response, "end");
  return response;
}
