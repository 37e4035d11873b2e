import { AnonymousCredential, ContainerClient, newPipeline, StorageSharedKeyCredential, type BlobItem } from "@azure/storage-blob";
import { Readable } from "node:stream";
import type { AzureSource } from "@filemill/contract/source.ts";
import type { NamedAzure } from "../../config-sources.ts";
import { MAX_PAGE, SourceError, type Source, type SourceInput, type SourcePage } from "../../jobs/sources/source.ts";
import type { GuardedAgents } from "../../net/guarded-agents.ts";
import { isMatch } from "../../is-match.ts";
import { isUnchanged } from "./is-unchanged.ts";
import { namedSource } from "./named-source.ts";
import { objectName } from "./object-name.ts";
import { explainSdk } from "./sdk-errors.ts";
import type { SourceContext } from "./source-context.ts";
import { storeObject, type OpenedObject } from "./store-object.ts";

const TRIES = 3;

/**
 * The blobs of a container below a prefix. The cursor is the service's own marker: its lists have no other way to go on.
 * A blob that this tenant has with the same ETag and size is not asked for.
 */
export async function azureSource(context: SourceContext<AzureSource>): Promise<Source> {
  const place = await placeOf(context);
  const container = clientOf(context, place);
  const prefix = place.prefix + (context.spec.prefix ?? "");
  return {
    pages: (cursor, signal) => listPages({ context, container, prefix, marker: cursor?.["marker"], signal }),
    collect(reference, options) {
      return storeObject(context, { reference, options }, async ({ signal }) => {
        if (isUnchanged(reference, context.spec)) return "unchanged";
        return await openBlob(container, { name: nameOf(reference.location, container.url), signal });
      });
    },
  };
}

type Place = Pick<NamedAzure, "prefix" | "access" | "account"> & { readonly url: string };

async function placeOf(context: SourceContext<AzureSource>): Promise<Place> {
  const { from, container } = context.spec;
  if (from !== undefined) {
    const named = await namedSource(context, { name: from, kind: "azure" });
    return { ...named, url: `${named.endpoint}/${named.container}` };
  }
  if (container === undefined || !URL.canParse(container)) {
    throw new SourceError("source_refused", "bad_input", "The source names neither `from` nor the URL of a container.");
  }
  const url = new URL(container);
  if (url.username !== "" || url.search !== "") {
    throw new SourceError(
      "source_refused",
      "bad_input",
      "The container's URL holds a signature or a password. The operator names such sources with FILEMILL_SOURCE_<NAME>.",
    );
  }
  return { prefix: "", access: "anonymous", account: "", url: url.href.replace(/\/+$/, "") };
}

function clientOf({ dialers, spec }: SourceContext<AzureSource>, { url, account, access }: Place): ContainerClient {
  const { agents } = spec.from === undefined ? dialers.open : dialers.to(new URL(url));
  const pipeline = newPipeline(credentialOf(account, access), { retryOptions: { maxTries: TRIES } });
  // Closest to the wire, so that no policy before it can choose another way.
  pipeline.factories.push({
    create: (next) => ({
      sendRequest: (request) => next.sendRequest(Object.assign(request, { agent: agentFor(request.url, agents) })),
    }),
  });
  return new ContainerClient(typeof access === "object" && "sas" in access ? `${url}?${access.sas}` : url, pipeline);
}

function agentFor(url: string, { httpAgent, httpsAgent }: GuardedAgents) {
  return url.startsWith("https:") ? httpsAgent : httpAgent;
}

function credentialOf(account: string, access: NamedAzure["access"]): StorageSharedKeyCredential | AnonymousCredential {
  if (access === "anonymous" || "sas" in access) return new AnonymousCredential();
  return new StorageSharedKeyCredential(account, access.key);
}

interface Listing {
  readonly context: SourceContext<AzureSource>;
  readonly container: ContainerClient;
  readonly prefix: string;
  readonly marker: unknown;
  readonly signal: AbortSignal;
}

async function* listPages({ context, container, prefix, marker, signal }: Listing): AsyncGenerator<SourcePage> {
  const { match } = context.spec;
  const list = container.listBlobsFlat({ ...(prefix !== "" && { prefix }), abortSignal: signal });
  const from = typeof marker === "string" ? { continuationToken: marker } : {};
  // The page before was the last one: a list without a marker would begin again.
  if (marker === null) return;
  try {
    for await (const { segment, continuationToken: next } of list.byPage({ maxPageSize: MAX_PAGE, ...from })) {
      const wanted = segment.blobItems.filter(({ name }) => isMatch(name.slice(prefix.length), match));
      yield { inputs: wanted.map((blob) => inputOf(blob, container.url)), cursor: { marker: next || null } };
    }
  } catch (error) {
    throw explainSdk(error);
  }
}

function inputOf({ name, properties }: BlobItem, containerUrl: string): SourceInput {
  const { contentLength: sizeBytes, lastModified: modifiedAt } = properties;
  const etag = bare(properties.etag);
  return { location: locationOf(name, containerUrl), name: objectName(name), sizeBytes, etag, modifiedAt };
}

/** Names may hold anything; a container's URL may end in a signature, which no address of a blob may have. */
function locationOf(name: string, containerUrl: string): string {
  const { origin, pathname } = new URL(containerUrl);
  return `${origin}${pathname}/${name.split("/").map(encodeURIComponent).join("/")}`;
}

function nameOf(location: string, containerUrl: string): string {
  const { origin, pathname } = new URL(containerUrl);
  return location
    .slice(origin.length + pathname.length + 1)
    .split("/")
    .map(decodeURIComponent)
    .join("/");
}

async function openBlob(container: ContainerClient, { name, signal }: { name: string; signal: AbortSignal }): Promise<OpenedObject> {
  const answer = await container
    .getBlobClient(name)
    .download(0, undefined, { abortSignal: signal })
    .catch((error: unknown) => {
      throw explainSdk(error);
    });
  const { readableStreamBody: body, etag, lastModified: modifiedAt, contentLength: length } = answer;
  if (!(body instanceof Readable)) throw new SourceError("source_unavailable", "external", "The store answered without a body.");
  return { body, etag: etag === undefined ? undefined : bare(etag), modifiedAt, length, explain: explainSdk };
}

/** Lists give ETags without the quotes that headers have. */
function bare(etag: string): string {
  return etag.replace(/^"(.*)"$/, "$1");
}
