import { randomUUID } from "node:crypto";
import { tmpdir } from "node:os";
import { ContainerClient } from "@azure/storage-blob";
import { afterAll, beforeAll, describe } from "vitest";
import { startAzurite, type Azurite } from "../../../test/stores/azurite.ts";
import { objectStoreContract } from "../object-store.contract.ts";
import { createPartHolders } from "../remote/part-holders.ts";
import { openAzureStore, type AzureOptions } from "./open.ts";

let azurite: Azurite;
beforeAll(async () => {
  azurite = await startAzurite();
});
afterAll(async () => {
  await azurite.stop();
});

async function newContainer(): Promise<AzureOptions> {
  const container = `container-${randomUUID()}`;
  const { endpoint, account, key, connectionString } = azurite;
  await new ContainerClient(connectionString, container).create();
  return { name: "azure", container, prefix: "", endpoint, credentials: { account, key }, holders: createPartHolders(tmpdir()) };
}

describe("Azure store", () => {
  objectStoreContract("azure", async () => openAzureStore(await newContainer()));
});
