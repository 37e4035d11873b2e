import type { Environment } from "./config-reader.ts";

/** Where an Azure storage account is, and what lets us in. */
export interface AzureAccount {
  /** Without a slash at its end. */
  readonly endpoint: string;
  readonly credentials: { readonly account: string; readonly key: string } | { readonly sas: string };
}

interface Given {
  readonly account: string | undefined;
  readonly key: string | undefined;
  readonly sas: string | undefined;
  readonly endpoint: string | undefined;
}

/** Of Azurite and the emulator before it: public, and the same everywhere. https://learn.microsoft.com/azure/storage/common/storage-use-azurite */
const DEVELOPMENT = {
  AccountName: "devstoreaccount1",
  AccountKey: "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
  BlobEndpoint: "http://127.0.0.1:10000/devstoreaccount1",
};

/**
 * Put together from the URL's parameters and, for what they leave out, from the variables that Azure's own tools read.
 * Throws RangeError, which names no secret.
 */
export function azureAccount(given: Given, env: Environment): AzureAccount {
  const told = connectionString(env["AZURE_BLOB_CONN"] || env["AZURE_STORAGE_CONNECTION_STRING"] || "");
  const account = given.account ?? (env["AZURE_STORAGE_ACCOUNT"] || told["AccountName"]);
  // A connection string of one account says nothing about another.
  const fits = account === told["AccountName"] || told["AccountName"] === undefined;
  const key =
    given.key ?? ((fits ? told["AccountKey"] : undefined) || env["AZURE_STORAGE_KEY"] || env["AZURE_STORAGE_ACCOUNT_KEY"] || undefined);
  const sas = given.sas ?? ((fits ? told["SharedAccessSignature"] : undefined) || env["AZURE_STORAGE_SAS_TOKEN"] || undefined);
  const endpoint = given.endpoint ?? (fits ? told["BlobEndpoint"] : undefined) ?? (account && defaultEndpoint(account, told));
  if (!endpoint) throw new RangeError("names no account: azure://container?account=name, or set AZURE_STORAGE_CONNECTION_STRING");
  if (!/^https?:\/\//.test(endpoint)) throw new RangeError("has an endpoint that is no http or https URL");
  const plain = endpoint.replace(/\/+$/, "");
  if (key !== undefined && account) return { endpoint: plain, credentials: { account, key } };
  if (sas !== undefined) return { endpoint: plain, credentials: { sas: sas.replace(/^\?/, "") } };
  throw new RangeError(
    "has no credentials for Azure: set AZURE_STORAGE_KEY, AZURE_STORAGE_SAS_TOKEN or AZURE_STORAGE_CONNECTION_STRING, or add key= or sas=",
  );
}

function defaultEndpoint(account: string, told: Readonly<Record<string, string>>): string {
  return `${told["DefaultEndpointsProtocol"] ?? "https"}://${account}.blob.${told["EndpointSuffix"] ?? "core.windows.net"}`;
}

/** `Name=value;Name=value`; values may hold more equals signs. */
function connectionString(text: string): Readonly<Record<string, string>> {
  const parts = text
    .split(";")
    .map((part) => part.trim())
    .filter((part) => part !== "");
  const fields = Object.fromEntries(parts.map((part) => [part.slice(0, part.indexOf("=")), part.slice(part.indexOf("=") + 1)]));
  return fields["UseDevelopmentStorage"] === "true" ? DEVELOPMENT : fields;
}
