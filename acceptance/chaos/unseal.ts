import { createDecipheriv, createHash, createHmac } from "node:crypto";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Site } from "./site.ts";

/** How one stored object is sealed: the rows of its keys. */
export interface SealRow {
  readonly object: string;
  readonly tenant: string;
  readonly kek: string;
  readonly kekVersion: number;
  readonly dek: Buffer;
  readonly rootVersion: string;
  readonly wrapped: Buffer;
}

/** Opens sealed objects from the description of the format (docs/decisions/0009-encryption.md), with none of the product's code. */
export interface Unsealer {
  /** Undefined where anything is not as it should be. */
  open(sealed: Buffer, row: SealRow): Buffer | undefined;
}

export async function unsealerOf({ storeFolder }: Site): Promise<Unsealer> {
  const lines = (await readFile(join(dirname(storeFolder), "root.key"), "utf8")).split("\n").filter((line) => line !== "");
  const roots = new Map(
    lines.map((line) => {
      const key = Buffer.from(line, "base64");
      return [`local:${sha(256, "filemill/root-key/v1|", key).toString("hex").slice(0, 16)}`, key];
    }),
  );
  return {
    open(sealed, row) {
      try {
        const root = roots.get(row.rootVersion);
        if (root === undefined) return undefined;
        const secret = unwrap(row.wrapped, labelled(root, "root-wrap"), `tenant-key|${row.tenant}|${row.kek}|${row.kekVersion}`);
        const dek = unwrap(row.dek, labelled(secret, "object-wrap"), `object-key|${row.tenant}|${row.object}|1`);
        return openObject(sealed, dek, row);
      } catch {
        return undefined;
      }
    },
  };
}

function openObject(sealed: Buffer, dek: Buffer, { object, tenant }: SealRow): Buffer | undefined {
  const end = 7 + sealed.readUInt16BE(5);
  const header = JSON.parse(sealed.toString("utf8", 7, end)) as Record<string, unknown>;
  if (sealed.toString("latin1", 0, 4) !== "FML1" || sealed[4] !== 1 || header["object"] !== object || header["tenant"] !== tenant)
    return undefined;
  const message = sealed.subarray(end);
  const info = Buffer.concat([
    Buffer.from("c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0"),
    message.subarray(0, 24),
    sha(512, sealed.subarray(0, end)),
  ]);
  const keys = expand(dek, info, 76);
  if (!keys.subarray(44).equals(message.subarray(24, 56))) return undefined;
  const chunks: Buffer[] = [];
  for (let index = 0; ; index++) {
    const chunk = message.subarray(56 + index * 16_400, 56 + (index + 1) * 16_400);
    const nonce = Buffer.from(keys.subarray(32, 44));
    nonce.writeUInt32BE((nonce.readUInt32BE(8) ^ index) >>> 0, 8);
    chunks.push(decrypt(chunk, { key: keys.subarray(0, 32), nonce }));
    if (chunk.length < 16_400) return Buffer.concat(chunks);
  }
}

function unwrap(wrapped: Buffer, key: Buffer, name: string): Buffer {
  return decrypt(wrapped.subarray(12), { key, nonce: wrapped.subarray(0, 12), aad: `filemill/wrap/v1|${name}` });
}

function decrypt(sealed: Buffer, { key, nonce, aad }: { key: Buffer; nonce: Buffer; aad?: string }): Buffer {
  const decipher = createDecipheriv("aes-256-gcm", key, nonce, { authTagLength: 16 });
  if (aad !== undefined) decipher.setAAD(Buffer.from(aad));
  decipher.setAuthTag(sealed.subarray(-16));
  return Buffer.concat([decipher.update(sealed.subarray(0, -16)), decipher.final()]);
}

function labelled(key: Buffer, label: string): Buffer {
  return expand(key, Buffer.from(`filemill/key/v1|${label}`), 32);
}

function expand(key: Buffer, info: Buffer, length: number): Buffer {
  const first = createHmac("sha512", key).update(info).update(Buffer.of(1)).digest();
  const second = createHmac("sha512", key).update(first).update(info).update(Buffer.of(2)).digest();
  return Buffer.concat([first, second]).subarray(0, length);
}

function sha(bits: 256 | 512, ...parts: readonly (string | Buffer)[]): Buffer {
  const hash = createHash(`sha${bits}`);
  for (const part of parts) hash.update(part);
  return hash.digest();
}
