import { createCipheriv, createHash } from "node:crypto";

/** What a load client sends: made from the name alone, so that a ledger that holds name and size holds the bytes too. */
export function contentOf(name: string, sizeBytes: number): Buffer {
  const cipher = createCipheriv("aes-128-ctr", createHash("sha256").update(name).digest().subarray(0, 16), Buffer.alloc(16));
  return cipher.update(Buffer.alloc(sizeBytes));
}

export function sha256(content: Buffer): string {
  return createHash("sha256").update(content).digest("hex");
}
