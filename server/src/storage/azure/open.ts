import { BlobSASPermissions, ContainerClient, newPipeline, StorageSharedKeyCredential, AnonymousCredential } from "@azure/storage-blob";
import type { ObjectStore } from "../object-store.ts";
import { createAgents } from "../remote/agents.ts";
import { checkKeys } from "../remote/check-keys.ts";
import { createGuard, type GuardOptions } from "../remote/guard.ts";
import type { PartHolders } from "../remote/part-holders.ts";
import { STORAGE_CLASSES } from "@filemill/contract/storage-class.ts";
import { blobAt, type Container } from "./container.ts";
import { copyBlob, setBlobTier } from "./copy.ts";
import { deleteBlob } from "./delete.ts";
import { explainAzure, statusOf } from "./explain.ts";
import { getBlob } from "./get.ts";
import { headBlob } from "./head.ts";
import { dropOldBlocks, listBlobs } from "./list.ts";
import { putBlob } from "./put.ts";

export interface AzureOptions {
  readonly name: string;
  readonly container: string;
  /** Before every key; empty, or with a slash at its end. */
  readonly prefix: string;
  /** Of the account, without a slash at its end, for example https://account.blob.core.windows.net. */
  readonly endpoint: string;
  readonly credentials: AzureCredentials;
  readonly holders: PartHolders;
  /** For tests: how old blocks must be to be dropped by tidy. */
  readonly blocksEndAfterMs?: number;
  readonly guard?: Pick<GuardOptions, "answerWithinMs">;
}

export type AzureCredentials =
  | { readonly account: string; readonly key: string }
  /** A shared access signature: a query, without the question mark. */
  | { readonly sas: string };

const BLOCKS_END_AFTER_MS = 24 * 60 * 60 * 1_000;

/** Objects as block blobs of one container. Makes no request yet: a store that is away does not keep us from starting. */
export function openAzureStore(options: AzureOptions): ObjectStore {
  const { name, credentials } = options;
  const agents = createAgents();
  const client = openContainer(options, options.endpoint.startsWith("https:") ? agents.https : agents.http);
  const guard = createGuard({
    name,
    explain: (error, what) => explainAzure(name, error, what),
    moved: agents.moved,
    probe: async (signal) => {
      await client.getProperties({ abortSignal: signal }).catch((error: unknown) => {
        // Whatever it says, it is there.
        if (statusOf(error) === undefined) throw error;
      });
    },
    ...options.guard,
  });
  const container: Container = { name, client, prefix: options.prefix, guard, holders: options.holders };

  return checkKeys({
    name,
    classes: STORAGE_CLASSES,
    put: (key, content, putOptions = {}) => putBlob(container, key, content, putOptions),
    get: (key, getOptions = {}) => getBlob(container, key, getOptions),
    async head(key) {
      const found = await headBlob(container, key);
      return found && { sizeBytes: found.sizeBytes, modifiedAt: found.modifiedAt, storageClass: found.storageClass };
    },
    delete: (key) => deleteBlob(container, key),
    list: (prefix) => listBlobs(container, prefix),
    copy: (from, to) => copyBlob(container, from, to),
    setClass: (key, storageClass) => setBlobTier(container, key, storageClass),
    async presign(key, { method, expiresInSeconds }) {
      // A signature can't sign: with a SAS of our own we have none to give away.
      if ("sas" in credentials) return undefined;
      const permissions = BlobSASPermissions.parse(method === "GET" ? "r" : "cw");
      return await blobAt(container, key).generateSasUrl({ permissions, expiresOn: new Date(Date.now() + expiresInSeconds * 1_000) });
    },
    async tidy() {
      return await dropOldBlocks(container, new Date(Date.now() - (options.blocksEndAfterMs ?? BLOCKS_END_AFTER_MS)));
    },
    async close() {
      agents.close();
    },
  });
}

/** Its requests go over our own connections, which are counted and have limits. */
function openContainer({ endpoint, container, credentials }: AzureOptions, agent: AgentOfLibrary): ContainerClient {
  const credential =
    "sas" in credentials ? new AnonymousCredential() : new StorageSharedKeyCredential(credentials.account, credentials.key);
  // Retries, breaker and limits are the guard's; two layers of retries would multiply.
  const pipeline = newPipeline(credential, { retryOptions: { maxTries: 1 } });
  pipeline.factories.push({
    create: (next) => ({
      sendRequest(request) {
        request.agent = agent;
        return next.sendRequest(request);
      },
    }),
  });
  const query = "sas" in credentials ? `?${credentials.sas}` : "";
  return new ContainerClient(`${endpoint}/${container}${query}`, pipeline);
}

type AgentOfLibrary = ReturnType<typeof createAgents>["http"];
