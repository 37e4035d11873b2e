import { readFile } from "node:fs/promises";
import { z } from "zod";
import type { KeyServiceConfig } from "../../config-keys.ts";
import { StorageError } from "../../errors.ts";
import type { KeyProvider } from "./key-provider.ts";

type VaultConfig = Extract<KeyServiceConfig, { kind: "vault" }>;

const TIMEOUT_MS = 5_000;

const Encrypted = z.object({ data: z.object({ ciphertext: z.string() }) });
const Decrypted = z.object({ data: z.object({ plaintext: z.base64() }) });
const Key = z.object({
  data: z.object({ latest_version: z.int().positive(), min_decryption_version: z.int().nonnegative(), supports_encryption: z.boolean() }),
});

/**
 * The transit engine of Vault or OpenBao (https://developer.hashicorp.com/vault/api-docs/secret/transit). The key has to be
 * of a type that takes associated data, such as the default aes256-gcm96; the token needs `update` on
 * `<mount>/encrypt/<key>` and `<mount>/decrypt/<key>`, `read` on `<mount>/keys/<key>`, and `update` on
 * `<mount>/keys/<key>/rotate` where it is to rotate.
 */
export function createVaultProvider(config: VaultConfig): KeyProvider {
  const { mount, key } = config;
  const prefix = `vault:${mount}/${key}:`;
  const path = (operation: "encrypt" | "decrypt") => `${mount}/${operation}/${encodeURIComponent(key)}`;
  const keyPath = `${mount}/keys/${encodeURIComponent(key)}`;

  async function readKey(): Promise<z.infer<typeof Key>["data"]> {
    return (await ask(config, { path: keyPath, answer: Key })).data;
  }

  return {
    name: "vault",
    owns: (version) => version.startsWith(prefix),
    async wrap(secret, name) {
      const body = { plaintext: secret.toString("base64"), associated_data: base64(name) };
      const { ciphertext } = (await ask(config, { path: path("encrypt"), body, answer: Encrypted })).data;
      // `vault:v3:…`: the version is a part of it.
      return { rootVersion: `${prefix}${ciphertext.split(":")[1] ?? ""}`, wrappedKey: Buffer.from(ciphertext) };
    },
    async unwrap({ wrappedKey }, name) {
      const body = { ciphertext: wrappedKey.toString(), associated_data: base64(name) };
      const { plaintext } = (await ask(config, { path: path("decrypt"), body, answer: Decrypted })).data;
      return Buffer.from(plaintext, "base64");
    },
    async version() {
      return `${prefix}v${(await readKey()).latest_version}`;
    },
    async versions() {
      const { latest_version: latest, min_decryption_version: oldest } = await readKey();
      return Array.from({ length: latest - Math.max(oldest, 1) + 1 }, (_unused, back) => `${prefix}v${latest - back}`);
    },
    async rotate() {
      await ask(config, { path: `${keyPath}/rotate`, body: {}, answer: z.unknown() });
    },
  };
}

interface Question<Answer> {
  readonly path: string;
  /** Left out: GET. */
  readonly body?: Readonly<Record<string, string>>;
  readonly answer: z.ZodType<Answer>;
}

async function ask<Answer>(config: VaultConfig, { path, body, answer }: Question<Answer>): Promise<Answer> {
  const what = `Vault at ${config.address}, ${path}`;
  try {
    const response = await fetch(`${config.address}/v1/${path}`, {
      method: body === undefined ? "GET" : "POST",
      headers: {
        "x-vault-token": await tokenOf(config),
        ...(config.namespace !== undefined && { "x-vault-namespace": config.namespace }),
        ...(body !== undefined && { "content-type": "application/json" }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      // A token must not follow to wherever the answer points.
      redirect: "error",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const text = await response.text();
    if (!response.ok) throw new StorageError("unavailable", `${what}: ${response.status} ${errorsIn(text)}`);
    return answer.parse(text === "" ? undefined : JSON.parse(text));
  } catch (cause) {
    if (cause instanceof StorageError) throw cause;
    throw new StorageError("unavailable", `${what}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}

async function tokenOf({ token, tokenFile }: VaultConfig): Promise<string> {
  return tokenFile === undefined ? (token ?? "") : (await readFile(tokenFile, "utf8")).trim();
}

/** `{"errors": ["…"]}`; never the whole answer, which may come from anybody. */
function errorsIn(text: string): string {
  try {
    return z
      .object({ errors: z.array(z.string()) })
      .parse(JSON.parse(text))
      .errors.join("; ")
      .slice(0, 200);
  } catch {
    return "";
  }
}

function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}
