import type { FastifyReply, FastifyRequest } from "fastify";
import { Problem } from "../errors.ts";
import type { FileManifest } from "../outputs/content.ts";
import { serveContent } from "../outputs/serve.ts";
import { freeSent } from "./free-sent.ts";
import type { Services } from "./services.ts";

/** Answers with a file's bytes. Throws Problem `precondition_failed` or `range_not_satisfiable`, StorageError. */
export async function sendContent(
  { contents, reads }: Pick<Services, "contents" | "reads">,
  manifest: FileManifest,
  { request, reply }: { readonly request: FastifyRequest; readonly reply: FastifyReply },
): Promise<FastifyReply> {
  reads.noted(manifest.id);
  const { status, headers, body } = await serveContent(manifest, contents, request);
  reply.headers(headers);
  if (status === 412) throw new Problem("precondition_failed", "The file has changed from what If-Match or If-Unmodified-Since ask for.");
  if (status === 416) throw new Problem("range_not_satisfiable", `The file has ${manifest.sizeBytes} bytes; ask for a range inside it.`);
  freeSent(reply.raw);
  return reply.code(status).send(body);
}
