import { GetObjectCommand, ListObjectsV2Command, S3Client, type _Object } from "@aws-sdk/client-s3";
import type { S3Source } from "@filemill/contract/source.ts";
import { Readable } from "node:stream";
import type { NamedS3 } from "../../config-sources.ts";
import { MAX_PAGE, SourceError, type Source, type SourceInput, type SourcePage } from "../../jobs/sources/source.ts";
import { isMatch } from "../../is-match.ts";
import { isUnchanged } from "./is-unchanged.ts";
import { namedSource } from "./named-source.ts";
import { objectName } from "./object-name.ts";
import { explainSdk } from "./sdk-errors.ts";
import type { SourceContext } from "./source-context.ts";
import { storeObject, type OpenedObject } from "./store-object.ts";

const CONNECT_MS = 10_000;
const STALL_MS = 30_000;
const DEFAULT_REGION = "us-east-1";

/**
 * The objects of a bucket below a prefix, in the order of their keys; the cursor is the last key, which, unlike a
 * continuation token, is good for ever. An object that this tenant has with the same ETag and size is not asked for.
 */
export async function s3Source(context: SourceContext<S3Source>): Promise<Source> {
  const place = await placeOf(context);
  const client = clientOf(context, place);
  const prefix = place.prefix + (context.spec.prefix ?? "");
  return {
    pages: (cursor, signal) => listPages({ context, client, place, prefix, after: textOf(cursor?.["after"]), signal }),
    collect(reference, options) {
      return storeObject(context, { reference, options }, async ({ signal }) => {
        if (isUnchanged(reference, context.spec)) return "unchanged";
        return await openObject(client, { bucket: place.bucket, key: keyOf(reference.location), signal });
      });
    },
  };
}

async function placeOf(context: SourceContext<S3Source>): Promise<NamedS3> {
  const { from, bucket, endpoint, region } = context.spec;
  if (from !== undefined) return await namedSource(context, { name: from, kind: "s3" });
  if (bucket === undefined) throw new SourceError("source_refused", "bad_input", "The source names neither `from` nor a bucket.");
  if (endpoint !== undefined && !isPlainEndpoint(endpoint)) {
    throw new SourceError(
      "source_refused",
      "bad_input",
      "The endpoint must be a URL such as https://s3.example.org, without a user in it.",
    );
  }
  return { kind: "s3", tenants: "*", bucket, prefix: "", endpoint, region, credentials: undefined, anonymous: true };
}

function isPlainEndpoint(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const url = new URL(text);
  return ["http:", "https:"].includes(url.protocol) && url.username === "" && url.password === "" && url.search === "";
}

function clientOf({ dialers, spec }: SourceContext<S3Source>, place: NamedS3): S3Client {
  const isNamed = spec.from !== undefined && place.endpoint !== undefined;
  const { agents } = isNamed ? dialers.to(new URL(place.endpoint ?? "")) : dialers.open;
  return new S3Client({
    region: place.region ?? DEFAULT_REGION,
    ...(place.endpoint !== undefined && { endpoint: place.endpoint, forcePathStyle: true }),
    ...(place.credentials && { credentials: place.credentials }),
    // Without a signature: the SDK still asks for credentials, and does not use them.
    ...(place.anonymous && {
      credentials: { accessKeyId: "", secretAccessKey: "" },
      signer: { sign: (request) => Promise.resolve(request) },
    }),
    followRegionRedirects: true,
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
    requestHandler: { ...agents, connectionTimeout: CONNECT_MS, socketTimeout: STALL_MS },
  });
}

interface Listing {
  readonly context: SourceContext<S3Source>;
  readonly client: S3Client;
  readonly place: NamedS3;
  readonly prefix: string;
  readonly after: string | undefined;
  readonly signal: AbortSignal;
}

async function* listPages({ context, client, place, prefix, signal, ...from }: Listing): AsyncGenerator<SourcePage> {
  let { after } = from;
  for (;;) {
    const command = new ListObjectsV2Command({
      Bucket: place.bucket,
      Prefix: prefix,
      MaxKeys: MAX_PAGE,
      ...(after !== undefined && { StartAfter: after }),
    });
    const list = await client.send(command, { abortSignal: signal }).catch((error: unknown) => {
      throw explainSdk(error);
    });
    const objects = list.Contents ?? [];
    const last = objects.at(-1)?.Key;
    if (last === undefined) return;
    const { match } = context.spec;
    const wanted = objects.filter(({ Key: key = "" }) => !isFolder(key) && isMatch(key.slice(prefix.length), match));
    yield { inputs: wanted.map((object) => inputOf(object, place)), cursor: { after: last } };
    if (list.IsTruncated !== true) return;
    after = last;
  }
}

/** What consoles put where people make a folder. */
function isFolder(key: string): boolean {
  return key.endsWith("/");
}

function inputOf({ Key: key = "", Size, ETag, LastModified }: _Object, place: NamedS3): SourceInput {
  return { location: locationOf(key, place), name: objectName(key), sizeBytes: Size, etag: ETag, modifiedAt: LastModified };
}

/** Keys may hold anything; encoded, the whole is a URL that tells bucket, key and store apart. */
function locationOf(key: string, { bucket, endpoint }: NamedS3): string {
  const path = key.split("/").map(encodeURIComponent).join("/");
  return `s3://${bucket}/${path}${endpoint === undefined ? "" : `?endpoint=${encodeURIComponent(endpoint)}`}`;
}

/** Not by URL, which would resolve the `..` that a key may hold. */
function keyOf(location: string): string {
  const [, path = ""] = /^s3:\/\/[^/]*\/([^?]*)/.exec(location) ?? [];
  return path.split("/").map(decodeURIComponent).join("/");
}

async function openObject(
  client: S3Client,
  { bucket, key, signal }: { bucket: string; key: string; signal: AbortSignal },
): Promise<OpenedObject> {
  const answer = await client.send(new GetObjectCommand({ Bucket: bucket, Key: key }), { abortSignal: signal }).catch((error: unknown) => {
    throw explainSdk(error);
  });
  const { Body: body, ETag: etag, LastModified: modifiedAt, ContentLength: length } = answer;
  if (!(body instanceof Readable)) throw new SourceError("source_unavailable", "external", "The store answered without a body.");
  return { body, etag, modifiedAt, length, explain: explainSdk };
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}
