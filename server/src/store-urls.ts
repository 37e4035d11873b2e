import { fileURLToPath } from "node:url";
import type { Environment } from "./config-reader.ts";
import { azureAccount, type AzureAccount } from "./azure-account.ts";

/** One object store, as FILEMILL_STORAGE_URL names it. */
export type StoreConfig = StoreLabels & (DiskStoreConfig | S3StoreConfig | AzureStoreConfig);

export interface StoreLabels {
  /** Stands in the row of every segment that is kept there, so it never changes. */
  readonly name: string;
  /** Where its bytes are: tenants of that region keep theirs only there. */
  readonly region: string | undefined;
  readonly storageClass: "hot" | "cold" | "archive";
  /** The operator knows that it is empty though files were stored there, and wants to start without them. */
  readonly mayBeEmpty: boolean;
}

export interface DiskStoreConfig {
  readonly kind: "disk";
  readonly folder: string;
  /** Folders of the other classes. */
  readonly coldFolder: string | undefined;
  readonly archiveFolder: string | undefined;
}

export interface S3StoreConfig {
  readonly kind: "s3";
  readonly bucket: string;
  /** Before every key; empty, or with a slash at its end. */
  readonly prefix: string;
  /** For the signature; undefined: as the AWS profile or environment says. */
  readonly awsRegion: string | undefined;
  readonly endpoint: string | undefined;
  readonly forcePathStyle: boolean;
  /** Undefined: found as AWS users expect, in the environment, a profile, or the machine's role. */
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string } | undefined;
  readonly profile: string | undefined;
  /** What the server calls the classes. */
  readonly classNames: { readonly cold?: string; readonly archive?: string };
}

export interface AzureStoreConfig extends AzureAccount {
  readonly kind: "azure";
  readonly container: string;
  /** Before every key; empty, or with a slash at its end. */
  readonly prefix: string;
}

const EXAMPLES = "file:///a/folder, s3://bucket?region=eu-central-1 or azure://container?account=name";
const NAME = /^[a-z0-9][a-z0-9-]{0,62}$/;
/** Of Amazon itself; other servers have what their operator made. */
const AMAZON_CLASSES = { cold: "STANDARD_IA", archive: "GLACIER_IR" };

/**
 * The stores that the text names, separated by commas. Throws RangeError, worded to follow the variable's name, which never
 * repeats the text: it may hold secrets.
 */
export function parseStoreUrls(text: string, env: Environment): StoreConfig[] {
  const stores = text.split(/,\s*(?=[a-z0-9]+:\/\/)/).map((part) => parseStoreUrl(part.trim(), env));
  for (const [index, { name }] of stores.entries()) {
    if (stores.findIndex((other) => other.name === name) === index) continue;
    throw new RangeError(`has two stores named "${name}"; give each a name of its own, such as ?name=second`);
  }
  if (!stores.some(({ storageClass }) => storageClass === "hot")) throw new RangeError("has no store for hot objects, where all begin");
  return stores;
}

/** The store that only Azure's own variables name, or undefined. Throws RangeError. */
export function azureFromEnvironment(env: Environment): StoreConfig | undefined {
  if (!env["AZURE_CONTAINER"] || !(env["AZURE_BLOB_CONN"] || env["AZURE_STORAGE_CONNECTION_STRING"])) return undefined;
  return parseStoreUrl(`azure://${env["AZURE_CONTAINER"]}`, env);
}

function parseStoreUrl(text: string, env: Environment): StoreConfig {
  if (!URL.canParse(text)) throw new RangeError(`must be a URL such as ${EXAMPLES}`);
  const url = new URL(text);
  const parameters = openParameters(url.searchParams);
  const store = { ...parseKind(url, parameters, env), ...labels(url, parameters) };
  parameters.finish();
  return store;
}

function labels(url: URL, parameters: Parameters): StoreLabels {
  const name = parameters.take("name") ?? (url.protocol === "file:" ? "disk" : url.protocol.slice(0, -1));
  const region = parameters.take("region");
  const storageClass = parameters.take("class") ?? "hot";
  if (!NAME.test(name)) throw new RangeError(`has the store name "${name}": lower-case letters, digits and hyphens, at most 63`);
  if (storageClass !== "hot" && storageClass !== "cold" && storageClass !== "archive") {
    throw new RangeError(`has class=${storageClass}, which must be hot, cold or archive`);
  }
  const empty = parameters.take("empty");
  if (empty !== undefined && empty !== "accepted") throw new RangeError(`has empty=${empty}, which must be accepted`);
  return { name, region, storageClass, mayBeEmpty: empty === "accepted" };
}

function parseKind(url: URL, parameters: Parameters, env: Environment): DiskStoreConfig | S3StoreConfig | AzureStoreConfig {
  switch (url.protocol) {
    case "file:":
      return parseDisk(url, parameters);
    case "s3:":
      return parseS3(url, parameters, env);
    case "azure:":
      return {
        kind: "azure",
        ...placeOf(url, "container"),
        ...azureAccount(
          {
            account: parameters.take("account"),
            key: parameters.take("key"),
            sas: parameters.take("sas"),
            endpoint: parameters.take("endpoint"),
          },
          env,
        ),
      };
    default:
      throw new RangeError(`must be a URL such as ${EXAMPLES}`);
  }
}

function parseDisk(url: URL, parameters: Parameters): DiskStoreConfig {
  const plain = new URL(url);
  plain.search = "";
  const coldFolder = parameters.take("cold");
  const archiveFolder = parameters.take("archive");
  for (const folder of [coldFolder, archiveFolder]) {
    if (folder !== undefined && !folder.startsWith("/")) throw new RangeError(`has the folder "${folder}", which is not an absolute path`);
  }
  return { kind: "disk", folder: fileURLToPath(plain), coldFolder, archiveFolder };
}

function parseS3(url: URL, parameters: Parameters, env: Environment): S3StoreConfig {
  const endpoint = parameters.take("endpoint");
  const accessKeyId = parameters.take("access_key");
  const secretAccessKey = parameters.take("secret_key");
  const forcePathStyle = parameters.take("force_path_style");
  const cold = parameters.take("cold");
  const archive = parameters.take("archive");
  const known = env["AWS_REGION"] || env["AWS_DEFAULT_REGION"] || undefined;
  if (endpoint !== undefined && !/^https?:\/\//.test(endpoint)) throw new RangeError("has an endpoint that is no http or https URL");
  if ((accessKeyId === undefined) !== (secretAccessKey === undefined))
    throw new RangeError("needs access_key and secret_key together, or neither");
  if (forcePathStyle !== undefined && !["true", "false"].includes(forcePathStyle))
    throw new RangeError("has force_path_style, which must be true or false");
  return {
    kind: "s3",
    ...bucketOf(url),
    // `region` is also the label, which is why it is not taken here.
    awsRegion:
      parameters.take("aws_region") ?? url.searchParams.get("region") ?? known ?? (endpoint === undefined ? undefined : "us-east-1"),
    endpoint,
    forcePathStyle: forcePathStyle === undefined ? endpoint !== undefined : forcePathStyle === "true",
    credentials: accessKeyId !== undefined && secretAccessKey !== undefined ? { accessKeyId, secretAccessKey } : undefined,
    profile: parameters.take("profile"),
    classNames: {
      ...(endpoint === undefined && AMAZON_CLASSES),
      ...(cold !== undefined && { cold }),
      ...(archive !== undefined && { archive }),
    },
  };
}

function bucketOf(url: URL): { bucket: string; prefix: string } {
  const { container: bucket, prefix } = placeOf(url, "bucket");
  return { bucket, prefix };
}

/** The bucket or container, and the path below it in which the objects are. */
function placeOf({ host, pathname }: URL, what: "bucket" | "container"): { container: string; prefix: string } {
  if (host === "") throw new RangeError(`names no ${what}`);
  const path = pathname.replaceAll(/^\/+|\/+$/g, "");
  return { container: host, prefix: path === "" ? "" : `${path}/` };
}

interface Parameters {
  take(name: string): string | undefined;
  /** Throws RangeError where there is one that nobody asked for. */
  finish(): void;
}

function openParameters(search: URLSearchParams): Parameters {
  const known = new Set<string>();
  return {
    take(name) {
      known.add(name);
      return search.get(name) || undefined;
    },
    finish() {
      const unknown = [...search.keys()].find((name) => !known.has(name));
      if (unknown !== undefined)
        throw new RangeError(`has the parameter "${unknown}", which that kind of store does not know (${[...known].join(", ")})`);
    },
  };
}
