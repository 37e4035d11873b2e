import { createHash } from "node:crypto";
import { compareDigests, type DigestClaims } from "../digest-fields.ts";
import type { OpenArchive } from "./archive-entry.ts";
import { openArchive } from "./open-archive.ts";
import { spool, type SpoolOptions } from "./spool.ts";

/**
 * As openArchive, for a body whose digest was sent in front of it: nothing is stored of an archive that is not the one
 * that was sent, so that it is taken in whole first. Throws also as compareDigests does.
 */
export async function openVerified(
  body: AsyncIterable<Buffer>,
  options: SpoolOptions & { readonly digests: DigestClaims },
): Promise<OpenArchive & { readonly close: () => Promise<void> }> {
  const { handle } = await spool(verified(body, options.digests), options);
  try {
    const archive = await openArchive(handle.createReadStream({ start: 0, autoClose: false }), options);
    const close = async () => {
      await archive.close();
      await handle.close();
    };
    return { ...archive, close };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

async function* verified(body: AsyncIterable<Buffer>, digests: DigestClaims): AsyncGenerator<Buffer> {
  const sha256 = createHash("sha256");
  const sha512 = digests.needsSha512 ? createHash("sha512") : undefined;
  for await (const chunk of body) {
    sha256.update(chunk);
    sha512?.update(chunk);
    yield chunk;
  }
  compareDigests(digests.read(), { sha256: sha256.digest(), sha512: sha512?.digest() });
}
