import type { ServerResponse } from "node:http";
import type { Readable } from "node:stream";
import { freeChunk } from "../free-chunk.ts";

/**
 * Frees the chunks of a response's body once the socket has taken them, where the garbage collector would let 64 MiB of
 * them gather first. For bodies of which nobody else holds the chunks; to be called before the body is sent.
 *
 * Where nothing waits to be written, the kernel has a copy of all that was sent before.
 */
export function freeSent(response: ServerResponse): void {
  response.once("pipe", (body: Readable) => {
    let sent: Buffer[] = [];
    // Before the pipe's own listener writes the next chunk, which may have to wait.
    body.prependListener("data", (chunk: Buffer) => {
      if (response.writableLength === 0 && !response.destroyed) {
        for (const each of sent) freeChunk(each);
        sent = [];
      }
      sent.push(chunk);
    });
  });
}
