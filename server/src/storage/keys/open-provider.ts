import type { KeysConfig, KeyServiceConfig } from "../../config-keys.ts";
import { ConfigError } from "../../errors.ts";
import { createEnvProvider } from "./env-provider.ts";
import { createFileProvider } from "./file-provider.ts";
import type { KeyProvider } from "./key-provider.ts";
import { createKeyRing } from "./key-ring.ts";

/** The provider that the configuration asks for; nothing is asked of it yet. Throws ConfigError where FILEMILL_ROOT_KEY is no key. */
export async function openKeyProvider({ service, file, text }: KeysConfig): Promise<KeyProvider> {
  const providers: KeyProvider[] = [];
  if (service !== undefined) providers.push(await openService(service));
  if (file !== undefined) providers.push(createFileProvider(file));
  if (text !== undefined) providers.push(fromText(text));
  const [first, ...others] = providers;
  if (first === undefined) throw new ConfigError(["FILEMILL_ROOT_KEY_FILE, FILEMILL_ROOT_KEY or FILEMILL_KMS_URL must be set"]);
  return others.length === 0 ? first : createKeyRing([first, ...others]);
}

/** Loaded only where it is used. */
async function openService(service: KeyServiceConfig): Promise<KeyProvider> {
  if (service.kind === "awskms") return (await import("./kms-provider.ts")).createKmsProvider(service);
  return (await import("./vault-provider.ts")).createVaultProvider(service);
}

function fromText(text: string): KeyProvider {
  try {
    return createEnvProvider(text);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new ConfigError([`FILEMILL_ROOT_KEY can't be used: ${error.message}`]);
  }
}
