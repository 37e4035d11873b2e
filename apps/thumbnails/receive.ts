import type { Client } from "@filemill/sdk/client.ts";
import { FilemillError } from "@filemill/sdk/error.ts";
import type { FastifyInstance, FastifyPluginAsync } from "fastify";
import { FormError, readImage, type ImagePart } from "./read-image.ts";
import { MADE_BY, PIPELINE } from "./thumbnail-job.ts";

interface Answer {
  readonly status: number;
  readonly body: { readonly result: string; readonly file_id?: string };
}

const IMAGE_NAME = /\.(?:jpe?g|png)$/i;
const NOT_QUEUED: Answer = { status: 500, body: { result: "Couldn't insert into Queue" } };
const NOT_AN_IMAGE: Answer = { status: 415, body: { result: "Files other than jpg,jpeg and png are not allowed" } };

/** POST /uploadFile: the image goes on to the platform as it comes; it is stored and its job queued in one transaction. */
export function receiveRoute(client: Client): FastifyPluginAsync {
  return async (scope) => {
    leaveBodies(scope);
    scope.post("/uploadFile", async (request, reply) => {
      const { status, body } = await receive(client, () => readImage(request.raw)).catch((error: unknown) => {
        if (error instanceof FormError) return { status: error.status, body: { result: error.message } };
        throw error;
      });
      return reply.code(status).send(body);
    });
  };
}

async function receive(client: Client, read: () => Promise<ImagePart | undefined>): Promise<Answer> {
  const image = await read();
  if (image === undefined) return { status: 400, body: { result: "file key not found in request" } };
  const refusal = refuseName(image.name);
  if (refusal) {
    image.leave();
    return refusal;
  }
  let broken: unknown;
  async function* content({ content }: ImagePart): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      yield* content;
    } catch (error) {
      broken = error;
      throw error;
    }
  }
  try {
    const accepted = await client.files.runStreamed(
      { name: image.name, content: content(image) },
      { pipeline: PIPELINE, metadata: MADE_BY },
    );
    return { status: 200, body: { result: "File Uploaded successfully !!", file_id: accepted.job_id } };
  } catch (error) {
    image.leave();
    if (broken instanceof FormError) throw broken;
    if (!(error instanceof FilemillError)) throw error;
    if (error.code === "type_not_allowed") return NOT_AN_IMAGE;
    if (error.code === "file_too_large") throw new FormError(413, error.detail, { cause: error });
    // A name that can't be kept; nothing else in this request is the client's.
    if (error.code === "validation_failed") throw new FormError(400, error.detail, { cause: error });
    console.error(`thumbnails: an image could not be queued: ${error.detail}`);
    return NOT_QUEUED;
  }
}

function refuseName(name: string): Answer | undefined {
  if (name === "") return { status: 400, body: { result: "Empty file received" } };
  return IMAGE_NAME.test(name) ? undefined : NOT_AN_IMAGE;
}

/** No parser but one that leaves the body where it is. */
function leaveBodies(scope: FastifyInstance): void {
  scope.removeAllContentTypeParsers();
  scope.addContentTypeParser("*", (_request, _payload, done) => done(null));
}
