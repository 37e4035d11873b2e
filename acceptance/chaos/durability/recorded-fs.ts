import fs from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { createHash } from "node:crypto";
import { dirname, relative, resolve, sep } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

/**
 * Who does not wait for an fsync must always be found out. So bytes take longer than names, and names longer the higher
 * they stand: what is not waited for ends behind that which is.
 */
const FILE_FSYNC_MS = 400;
const UPPER_FOLDER_FSYNC_MS = 40;
/** Depth below the base of the folders that objects lie in. */
const LOWEST = 5;

/**
 * A disk that forgets. Every call of node:fs/promises that changes something is carried out and also written into a model
 * of what a power cut would leave: bytes of a file only as far as its last fsync, entries of a folder only as of that
 * folder's last fsync. Calls take effect when they return, an fsync covers what had taken effect when it was called.
 */
export interface RecordedDisk {
  /** Called after each effect: at every place at which the power can be cut. */
  onStep(look: () => void): void;
  /** Would a file with this content, below that folder, be there after a power cut now? Folders above `root` are taken as durable. */
  survives(root: string, sha256: string): boolean;
  readonly steps: () => number;
}

interface Inode {
  written: Buffer[];
  durable: string | undefined;
}

type Entry = Inode | "folder";

/** To be called before the code under test is imported; everything happens below `base`. */
export function recordFs(base: string): RecordedDisk {
  const depthOf = (path: string) => relative(base, path).split(sep).length;
  const entries = new Map<string, Entry>();
  const durable = new Map<string, Entry>();
  let look = () => {};
  let steps = 0;

  function effect(change: () => void): void {
    change();
    steps++;
    look();
  }

  const original = { ...fs };
  const patched = {
    async mkdir(path: string, options?: { recursive?: boolean }) {
      const made = await original.mkdir(path, options);
      effect(() => {
        // Where it made several, the uppermost is what it gives.
        const uppermost = resolve(typeof made === "string" ? made : path);
        for (let folder = resolve(path); folder.length >= uppermost.length; folder = dirname(folder)) entries.set(folder, "folder");
      });
      return made;
    },
    async link(from: string, to: string) {
      await original.link(from, to);
      const inode = entries.get(resolve(from));
      effect(() => inode && entries.set(resolve(to), inode));
    },
    async rename(from: string, to: string) {
      await original.rename(from, to);
      const inode = entries.get(resolve(from));
      effect(() => {
        if (inode) entries.set(resolve(to), inode);
        entries.delete(resolve(from));
      });
    },
    async unlink(path: string) {
      await original.unlink(path);
      effect(() => entries.delete(resolve(path)));
    },
    async open(path: string, flags?: string | number, mode?: number) {
      const handle = await original.open(path, flags, mode);
      const isFolder = (await handle.stat()).isDirectory();
      const inode: Inode = { written: [], durable: undefined };
      if (!isFolder && flags !== undefined && flags !== "r") effect(() => entries.set(resolve(path), inode));
      const found = entries.get(resolve(path));
      const own = { write: handle.write.bind(handle), writev: handle.writev.bind(handle), sync: handle.sync.bind(handle) };
      const sync = async () => {
        const commit = isFolder ? folderSnapshot(resolve(path)) : fileSnapshot(found);
        await own.sync();
        await delay(isFolder ? UPPER_FOLDER_FSYNC_MS * Math.max(0, LOWEST - depthOf(path)) : FILE_FSYNC_MS);
        effect(commit);
      };
      return Object.assign(handle, {
        async writev(buffers: readonly Buffer[]) {
          const result = await own.writev([...buffers]);
          const all = Buffer.concat(buffers).subarray(0, result.bytesWritten);
          effect(() => inode.written.push(all));
          return result;
        },
        async write(buffer: Buffer) {
          const result = await own.write(buffer);
          effect(() => inode.written.push(Buffer.from(buffer.subarray(0, result.bytesWritten))));
          return result;
        },
        sync,
        datasync: sync,
      });
    },
  };

  function folderSnapshot(folder: string): () => void {
    const now = [...entries].filter(([path]) => dirname(path) === folder);
    return () => {
      for (const path of durable.keys()) if (dirname(path) === folder) durable.delete(path);
      for (const [path, entry] of now) durable.set(path, entry);
    };
  }

  function fileSnapshot(entry: Entry | undefined): () => void {
    if (entry === undefined || entry === "folder") return () => {};
    const hash = createHash("sha256").update(Buffer.concat(entry.written)).digest("hex");
    return () => void (entry.durable = hash);
  }

  Object.assign(fs, patched);
  syncBuiltinESMExports();
  return {
    onStep: (given) => void (look = given),
    steps: () => steps,
    survives(root, sha256) {
      for (const [path, entry] of durable) {
        if (entry === "folder" || entry.durable !== sha256 || !path.startsWith(`${root}/`)) continue;
        let folder = dirname(path);
        while (folder !== root && durable.get(folder) === "folder") folder = dirname(folder);
        if (folder === root) return true;
      }
      return false;
    },
  };
}
