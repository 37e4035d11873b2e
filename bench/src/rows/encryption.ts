import { createCipheriv, randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { freeChunk } from "@filemill/server/src/free-chunk.ts";
import { chunkCount, MESSAGE_HEAD_BYTES } from "@filemill/server/src/storage/encrypt/layout.ts";
import { openChunks, openHead } from "@filemill/server/src/storage/encrypt/open.ts";
import { seal, sealBytes } from "@filemill/server/src/storage/encrypt/seal.ts";
import { measure, report, type Contestant } from "../measure.ts";

const MIB = 1024 * 1024;
const SIZE_MIB = 512;
const BUFFER_BYTES = 64 * 1024;
/** As the disk store gives them. */
const READ_BYTES = 256 * 1024;

const name = { tenantId: "0193f0aa-0000-7000-8000-000000000001", objectId: "0193f0aa-0000-7000-8000-00000000000f", segment: 0 };

/**
 * Sealing and opening in one process, beside one AES-256-GCM over the same bytes. In CPU time, with that of the garbage
 * collector, because what else runs on the machine would weigh more than the difference.
 */
export async function encryption({ rounds }: { rounds: number }): Promise<void> {
  const contestants: Contestant[] = [
    timed("floor: AES-256-GCM, 64 KiB buffers", rawGcm),
    timed("seal", sealStream),
    timed("open", openStream),
  ];
  const row = { name: "encryption", unit: "MiB per CPU-second", better: "higher" as const, rounds, contestants };
  report(row, await measure({ ...row, contestants }));
}

function timed(label: string, work: () => Promise<void>): Contestant {
  return {
    name: label,
    async measure() {
      // What the one before left to the garbage collector is not this one's.
      await delay(50);
      const started = process.cpuUsage();
      await work();
      const { user, system } = process.cpuUsage(started);
      return SIZE_MIB / ((user + system) / 1e6);
    },
  };
}

async function rawGcm(): Promise<void> {
  const block = randomBytes(BUFFER_BYTES);
  const cipher = createCipheriv("aes-256-gcm", randomBytes(32), randomBytes(12));
  for (let done = 0; done < SIZE_MIB * MIB; done += block.length) cipher.update(block);
  cipher.final();
}

async function sealStream(): Promise<void> {
  const block = randomBytes(BUFFER_BYTES);
  async function* content(): AsyncGenerator<Buffer> {
    for (let done = 0; done < SIZE_MIB * MIB; done += block.length) yield block;
  }
  for await (const sealed of seal(content(), { name, dek: randomBytes(32), onEnd: () => {} })) freeChunk(sealed);
}

async function openStream(): Promise<void> {
  const dek = randomBytes(32);
  const sizeBytes = 8 * MIB;
  const sealed = sealBytes(randomBytes(sizeBytes), { name, dek });
  const { messageKey, prefixBytes } = openHead(sealed.subarray(0, READ_BYTES), { ...name, dek });
  const stored = sealed.subarray(prefixBytes + MESSAGE_HEAD_BYTES);
  async function* pieces(): AsyncGenerator<Buffer> {
    for (let start = 0; start < stored.length; start += READ_BYTES) yield stored.subarray(start, start + READ_BYTES);
  }
  const chunks = { sizeBytes, firstChunk: 0, lastChunk: chunkCount(sizeBytes) - 1 };
  for (let done = 0; done < SIZE_MIB * MIB; done += sizeBytes) {
    for await (const opened of openChunks(pieces(), { ...chunks, messageKey })) freeChunk(opened);
  }
}
