import { isAbsolute, join } from "node:path";
import type { Reader } from "./config-reader.ts";

/** Where the root key is, under which the tenants' keys are wrapped. */
export interface KeysConfig {
  /** A key management service; it wraps where there is one. */
  readonly service: KeyServiceConfig | undefined;
  /** Absolute. */
  readonly file: string | undefined;
  /** A missing file is made at the first start: nobody named one. */
  readonly mayMakeFile: boolean;
  /** FILEMILL_ROOT_KEY itself; checked where it is used. */
  readonly text: string | undefined;
}

export type KeyServiceConfig =
  | { readonly kind: "awskms"; readonly keyId: string; readonly region: string | undefined; readonly endpoint: string | undefined }
  | {
      readonly kind: "vault";
      /** Such as https://vault.example.org:8200, without a slash at the end. */
      readonly address: string;
      readonly mount: string;
      readonly key: string;
      readonly namespace: string | undefined;
      readonly token: string | undefined;
      /** Absolute; read whenever it is needed, because an agent may renew it. */
      readonly tokenFile: string | undefined;
    };

/** Without a word about it the key is in `<data folder>/root.key`; in production it has to be said. */
export function readKeys(reader: Reader, { production, dataFolder }: { production: boolean; dataFolder: string }): KeysConfig {
  const named = reader.text("FILEMILL_ROOT_KEY_FILE", absolute);
  const text = reader.text("FILEMILL_ROOT_KEY");
  const token = reader.text("FILEMILL_VAULT_TOKEN");
  const tokenFile = reader.text("FILEMILL_VAULT_TOKEN_FILE", absolute);
  const url = reader.text("FILEMILL_KMS_URL", (given) => {
    parseService(given);
    return given;
  });
  const service = url === undefined ? undefined : parseService(url);
  if (service?.kind === "vault" && token === undefined && tokenFile === undefined) {
    reader.complain("FILEMILL_VAULT_TOKEN or FILEMILL_VAULT_TOKEN_FILE must be set with a FILEMILL_KMS_URL of Vault");
  }
  const isNamed = named !== undefined || text !== undefined || service !== undefined;
  if (production && !isNamed) {
    reader.complain(
      "FILEMILL_ROOT_KEY_FILE must be set with NODE_ENV=production: a file with 32 random bytes as base64, kept and backed up apart from the data; or FILEMILL_KMS_URL, or FILEMILL_ROOT_KEY",
    );
  }
  return {
    service: service?.kind === "vault" ? { ...service, token, tokenFile } : service,
    file: isNamed ? named : join(dataFolder, "root.key"),
    mayMakeFile: !production && (named !== undefined || !isNamed),
    text,
  };
}

/** `awskms:///<key id, ARN or alias>?region=&endpoint=`, `vault+https://host:8200/<mount>/<key>?namespace=`. Throws RangeError. */
function parseService(text: string): KeyServiceConfig {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const parts = (url?.pathname ?? "")
    .split("/")
    .filter((part) => part !== "")
    .map(decodeURIComponent);
  const given = (name: string) => url?.searchParams.get(name) ?? undefined;
  if (url?.protocol === "awskms:" && parts.length > 0) {
    // Keys are named by id, by alias/<name> or by ARN, of which the last two hold a slash.
    return { kind: "awskms", keyId: parts.join("/"), region: given("region"), endpoint: given("endpoint") };
  }
  const key = parts.at(-1);
  if ((url?.protocol === "vault+https:" || url?.protocol === "vault+http:") && url.host !== "" && key !== undefined && parts.length >= 2) {
    const address = `${url.protocol.slice("vault+".length)}//${url.host}`;
    return {
      kind: "vault",
      address,
      mount: parts.slice(0, -1).join("/"),
      key,
      namespace: given("namespace"),
      token: undefined,
      tokenFile: undefined,
    };
  }
  throw new RangeError(
    "must be a URL such as awskms:///alias/filemill?region=eu-central-1 or vault+https://vault.example.org:8200/transit/filemill",
  );
}

function absolute(text: string): string {
  if (!isAbsolute(text)) throw new RangeError("must be an absolute path");
  return text;
}
