/**
 * The stored format a second time, from its description and over WebCrypto, so that vectors are judged by two
 * implementations that share no line. Everything in memory.
 */
export interface SecondSealing {
  readonly dek: Uint8Array;
  readonly salt: Uint8Array;
  readonly tenantId: string;
  readonly objectId: string;
  readonly segment: number;
}

const { subtle } = globalThis.crypto;
const text = new TextEncoder();

export async function sealSecond(content: Uint8Array, sealing: SecondSealing): Promise<Uint8Array> {
  const prefix = prefixOf(sealing);
  const { key, baseNonce, commitment } = await keysOf(sealing, prefix);
  const chunks: Uint8Array[] = [];
  for (let index = 0; index * 16_384 <= content.length; index++) {
    const chunk = content.slice(index * 16_384, (index + 1) * 16_384);
    chunks.push(new Uint8Array(await subtle.encrypt({ name: "AES-GCM", iv: nonceOf(baseNonce, index) }, key, chunk)));
  }
  return join([prefix, sealing.salt, commitment, ...chunks]);
}

/** Throws where anything is not as it should be. */
export async function openSecond(sealed: Uint8Array, object: Omit<SecondSealing, "salt">): Promise<Uint8Array> {
  const prefix = prefixOf(object);
  const message = sealed.slice(prefix.length);
  if (!equal(sealed.slice(0, prefix.length), prefix)) throw new Error("another prefix");
  const { key, baseNonce, commitment } = await keysOf({ ...object, salt: message.slice(0, 24) }, prefix);
  if (!equal(commitment, message.slice(24, 56))) throw new Error("another commitment");
  const parts: Uint8Array[] = [];
  for (let index = 0; ; index++) {
    const chunk = message.slice(56 + index * 16_400, 56 + (index + 1) * 16_400);
    if (chunk.length < 16) throw new Error("truncated");
    parts.push(new Uint8Array(await subtle.decrypt({ name: "AES-GCM", iv: nonceOf(baseNonce, index) }, key, chunk)));
    if (chunk.length < 16_400) return join(parts);
  }
}

function prefixOf({ tenantId, objectId, segment }: Omit<SecondSealing, "salt" | "dek">): Uint8Array {
  const header = text.encode(JSON.stringify({ object: objectId, segment, tenant: tenantId }));
  return join([text.encode("FML1"), Uint8Array.of(1, header.length >> 8, header.length & 255), header]);
}

async function keysOf({ dek, salt }: SecondSealing, prefix: Uint8Array<ArrayBuffer> | Uint8Array) {
  const context = new Uint8Array(await subtle.digest("SHA-512", copy(prefix)));
  const info = join([text.encode("c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM"), Uint8Array.of(0), salt, context]);
  const hmac = await subtle.importKey("raw", copy(dek), { name: "HMAC", hash: "SHA-512" }, false, ["sign"]);
  const first = new Uint8Array(await subtle.sign("HMAC", hmac, copy(join([info, Uint8Array.of(1)]))));
  const second = new Uint8Array(await subtle.sign("HMAC", hmac, copy(join([first, info, Uint8Array.of(2)]))));
  const all = join([first, second]);
  const key = await subtle.importKey("raw", all.slice(0, 32), "AES-GCM", false, ["encrypt", "decrypt"]);
  return { key, baseNonce: all.slice(32, 44), commitment: all.slice(44, 76) };
}

function nonceOf(baseNonce: Uint8Array, index: number): Uint8Array<ArrayBuffer> {
  const nonce = copy(baseNonce);
  let left = BigInt(index);
  for (let at = 11; left > 0n; at--, left >>= 8n) nonce[at] = (nonce[at] ?? 0) ^ Number(left & 255n);
  return nonce;
}

function join(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let offset = 0;
  for (const part of parts) {
    all.set(part, offset);
    offset += part.length;
  }
  return all;
}

function copy(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes);
}

function equal(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && left.every((byte, index) => byte === right[index]);
}
