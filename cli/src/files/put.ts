import { memoryIn } from "@filemill/sdk/upload-memory.ts";
import type { Command } from "commander";
import { clientOf, type Context } from "../context.ts";
import { pairs } from "../terminal/pairs.ts";
import { verb, type JsonOption } from "../terminal/command.ts";
import { printResult, size, table } from "../terminal/print.ts";
import { createProgress } from "../terminal/progress.ts";
import { putBulk } from "./put-bulk.ts";
import { localFiles } from "./paths.ts";
import { RESUMABLE_BYTES, sendFiles } from "./send.ts";
import { uploadsFolder } from "./uploads-folder.ts";

interface PutOptions extends JsonOption {
  readonly metadata?: string[];
  readonly resume?: boolean;
  readonly bulk?: boolean;
}

export function filesPut(context: Context): Command {
  return verb("put", "upload files, or all files of a folder")
    .argument("<paths...>", "files or folders")
    .option("-m, --metadata <key=value...>", "attach to every file")
    .option("--resume", "go on where it broke off when the same command is run again; files above 64 MiB always do")
    .option("--bulk", "send all as one archive, made on the way: many times faster for many small files")
    .action(async (paths: string[], options: PutOptions) => {
      const client = await clientOf(context);
      const files = await localFiles(paths);
      if (options.bulk === true) return await putBulk(context, { client, files, options });
      const progress = createProgress(context, { quiet: options.json === true });
      try {
        const metadata = options.metadata && pairs(options.metadata);
        const stored = await sendFiles({
          client,
          files,
          progress,
          signal: context.signal,
          metadata,
          resumable: { above: options.resume === true ? -1 : RESUMABLE_BYTES, memory: memoryIn(uploadsFolder(context.environment)) },
        });
        progress.stop();
        printResult(context, options, {
          json: { files: stored },
          text: () =>
            table(
              ["ID", "SIZE", "TYPE", "NAME"],
              stored.map((file) => [file.id, size(file.size), file.media_type, file.name]),
            ),
        });
      } finally {
        progress.stop();
      }
    });
}
