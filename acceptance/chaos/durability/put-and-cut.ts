import { createHash } from "node:crypto";
import { join } from "node:path";
import { Readable } from "node:stream";
import { recordFs } from "./recorded-fs.ts";

/**
 * A program: `put-and-cut.ts <checkout> <folder>`. Puts objects of many sizes, several at once, into the disk store of
 * that checkout, and after every effect on the disk asks whether each object whose put had resolved would survive a power
 * cut just there. Prints {acknowledged, steps, lost}.
 */
interface Store {
  put(key: string, content: Readable): Promise<unknown>;
}

const [checkout = "", folder = ""] = process.argv.slice(2);
const TENANTS = 3;
const FILES = 8;
const SIZES = [1, 300, 65_536, 700_000];

const disk = recordFs(folder);
// Neither is there: the first start makes them.
const root = join(folder, "data", "objects");
const { openDiskStore } = (await import(join(checkout, "server/src/storage/disk.ts"))) as {
  openDiskStore: (options: { folder: string }) => Promise<Store>;
};
const acknowledged = new Map<string, string>();
const lost = new Set<string>();
disk.onStep(check);

function check(): void {
  for (const [key, hash] of acknowledged) if (!disk.survives(folder, hash)) lost.add(key);
}

const store = await openDiskStore({ folder: root });
for (let tenant = 0; tenant < TENANTS; tenant++) {
  await Promise.all(
    Array.from({ length: FILES }, async (_unused, file) => {
      // The first characters choose the folder: some files share one, some do not.
      const key = `tenant-${tenant}/0193f${file % 3}a-${file}/0/0`;
      const content = Buffer.alloc(SIZES[file % SIZES.length] ?? 1, `${key} `);
      await store.put(key, Readable.from(pieces(content), { objectMode: false }));
      acknowledged.set(key, createHash("sha256").update(content).digest("hex"));
      check();
    }),
  );
}
console.log(JSON.stringify({ acknowledged: acknowledged.size, steps: disk.steps(), lost: [...lost] }));

function* pieces(content: Buffer): Generator<Buffer> {
  for (let start = 0; start < content.length; start += 100_000) yield content.subarray(start, start + 100_000);
}
