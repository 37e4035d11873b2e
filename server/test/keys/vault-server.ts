import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { text } from "node:stream/consumers";
import { listen, type KeyServer } from "./kms-server.ts";

export const VAULT_TOKEN = "hvs.test";
export const VAULT_KEY = "filemill";

/**
 * The transit engine at `transit/` with one key of type aes256-gcm96, as its API documentation describes it: tokens in
 * X-Vault-Token, ciphertexts `vault:v1:…`, associated data, errors as `{"errors": […]}`.
 */
export async function startVaultServer(): Promise<KeyServer & { setToken(token: string): void }> {
  const versions: Buffer[] = [randomBytes(32)];
  let token = VAULT_TOKEN;
  let away = false;
  const asked: string[] = [];

  function act(operation: string, body: Record<string, string>): object | undefined | string {
    const aad = Buffer.from(body["associated_data"] ?? "", "base64");
    if (operation === `POST encrypt/${VAULT_KEY}`) {
      const nonce = randomBytes(12);
      const cipher = createCipheriv("aes-256-gcm", versions.at(-1) ?? "", nonce).setAAD(aad);
      const sealed = Buffer.concat([
        nonce,
        cipher.update(Buffer.from(body["plaintext"] ?? "", "base64")),
        cipher.final(),
        cipher.getAuthTag(),
      ]);
      return { data: { ciphertext: `vault:v${versions.length}:${sealed.toString("base64")}`, key_version: versions.length } };
    }
    if (operation === `POST decrypt/${VAULT_KEY}`) {
      const [, version = "", sealedText = ""] = /^vault:v(\d+):(.+)$/.exec(body["ciphertext"] ?? "") ?? [];
      const key = versions[Number(version) - 1];
      if (key === undefined) return "invalid ciphertext: no prefix";
      const sealed = Buffer.from(sealedText, "base64");
      const decipher = createDecipheriv("aes-256-gcm", key, sealed.subarray(0, 12)).setAAD(aad);
      try {
        decipher.setAuthTag(sealed.subarray(-16));
        const plain = Buffer.concat([decipher.update(sealed.subarray(12, -16)), decipher.final()]);
        return { data: { plaintext: plain.toString("base64") } };
      } catch {
        return "cipher: message authentication failed";
      }
    }
    if (operation === `GET keys/${VAULT_KEY}`) {
      const keys = Object.fromEntries(versions.map((_key, index) => [String(index + 1), 1_700_000_000 + index]));
      const data = { type: "aes256-gcm96", latest_version: versions.length, min_decryption_version: 1, supports_encryption: true, keys };
      return { data };
    }
    if (operation === `POST keys/${VAULT_KEY}/rotate`) {
      versions.push(randomBytes(32));
      return undefined;
    }
    return "unsupported path";
  }

  async function answer(request: IncomingMessage): Promise<{ status: number; body: object | undefined }> {
    const body = await text(request);
    if (away) return { status: 503, body: { errors: ["Vault is sealed"] } };
    if (request.headers["x-vault-token"] !== token) return { status: 403, body: { errors: ["permission denied"] } };
    const operation = `${request.method} ${String(request.url).replace(/^\/v1\/transit\//, "")}`;
    asked.push(operation);
    const done = act(operation, body === "" ? {} : (JSON.parse(body) as Record<string, string>));
    if (typeof done === "string") return { status: 400, body: { errors: [done] } };
    return done === undefined ? { status: 204, body: undefined } : { status: 200, body: done };
  }

  const server = await listen({ answer, asked, setAway: (now) => (away = now), headers: { "content-type": "application/json" } });
  return {
    ...server,
    setToken(now) {
      token = now;
    },
  };
}
