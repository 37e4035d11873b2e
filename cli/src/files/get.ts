import { stat } from "node:fs/promises";
import { join } from "node:path";
import type { Command } from "commander";
import { download } from "@filemill/sdk/disk.ts";
import { clientOf, type Context } from "../context.ts";
import { verb, type JsonOption } from "../terminal/command.ts";
import { printResult, size } from "../terminal/print.ts";
import { createProgress } from "../terminal/progress.ts";
import { freePath, safeName } from "./names.ts";

export function filesGet(context: Context): Command {
  return verb("get", "download a file and check its sha256")
    .argument("<id>", "file_…")
    .option("-o, --out <path>", "where to; a folder keeps the file's name", ".")
    .action(async (id: string, options: JsonOption & { out: string }) => {
      const client = await clientOf(context);
      const file = await client.files.get(id);
      const intoFolder = await isFolder(options.out);
      const path = intoFolder ? await freePath(join(options.out, safeName(file.name))) : options.out;
      const progress = createProgress(context, { quiet: options.json === true });
      try {
        const bar = progress.bar(`download ${file.name}`, file.size);
        await download(client, file, path, { signal: context.signal, onBytes: (bytes) => bar.add(bytes) });
        bar.finish();
      } finally {
        progress.stop();
      }
      printResult(context, options, { json: { ...file, path }, text: () => [`${path} (${size(file.size)})`] });
    });
}

async function isFolder(path: string): Promise<boolean> {
  const about = await stat(path).catch(() => undefined);
  return path.endsWith("/") || about?.isDirectory() === true;
}
