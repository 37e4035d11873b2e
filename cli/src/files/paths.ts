import { access, constants, readdir, stat } from "node:fs/promises";
import { join, relative } from "node:path";
import { CliError, EXIT } from "../exit.ts";

export interface LocalFile {
  readonly path: string;
  readonly name: string;
  readonly sizeBytes: number;
}

/**
 * The regular files that the arguments mean; a folder stands for everything below it, hidden files left out, and its
 * files are named by their path within it. Every file is known to be readable before the first is sent. Rejects with
 * CliError for what isn't a file (a pipe, a socket, a device), an empty folder, and as node:fs does for a path that isn't
 * there or can't be read.
 */
export async function localFiles(paths: readonly string[]): Promise<LocalFile[]> {
  const found: LocalFile[] = [];
  for (const path of paths) {
    const about = await stat(path);
    if (!about.isDirectory()) {
      if (!about.isFile()) throw new CliError(`${path}: is no regular file, so it can't be sent.`, EXIT.usage);
      await access(path, constants.R_OK);
      found.push({ path, name: path.split(/[\\/]/).at(-1) ?? path, sizeBytes: about.size });
      continue;
    }
    const before = found.length;
    for await (const below of walk(path)) {
      await access(below, constants.R_OK);
      found.push({ path: below, name: relative(path, below).replaceAll("\\", "/"), sizeBytes: (await stat(below)).size });
    }
    if (found.length === before) throw new CliError(`${path}: the folder holds no files.`, EXIT.usage);
  }
  return found;
}

async function* walk(folder: string): AsyncGenerator<string, void, undefined> {
  const entries = await readdir(folder, { withFileTypes: true });
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    if (entry.name.startsWith(".")) continue;
    if (entry.isDirectory()) yield* walk(join(folder, entry.name));
    else if (entry.isFile()) yield join(folder, entry.name);
    else if (!entry.isSymbolicLink())
      throw new CliError(`${join(folder, entry.name)}: is no regular file, so it can't be sent.`, EXIT.usage);
  }
}
