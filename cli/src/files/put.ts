import type { Command } from "commander";
import { clientOf, type Context } from "../context.ts";
import { pairs } from "../terminal/pairs.ts";
import { verb, type JsonOption } from "../terminal/command.ts";
import { printResult, size, table } from "../terminal/print.ts";
import { createProgress } from "../terminal/progress.ts";
import { localFiles } from "./paths.ts";
import { sendFiles } from "./send.ts";

export function filesPut(context: Context): Command {
  return verb("put", "upload files, or all files of a folder")
    .argument("<paths...>", "files or folders")
    .option("-m, --metadata <key=value...>", "attach to every file")
    .action(async (paths: string[], options: JsonOption & { metadata?: string[] }) => {
      const client = await clientOf(context);
      const files = await localFiles(paths);
      const progress = createProgress(context, { quiet: options.json === true });
      try {
        const metadata = options.metadata && pairs(options.metadata);
        const stored = await sendFiles({ client, files, progress, signal: context.signal, metadata });
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
