import type { Command } from "commander";
import { clientOf, type Context } from "../context.ts";
import { verb, type JsonOption } from "../terminal/command.ts";
import { printResult } from "../terminal/print.ts";

interface Options extends JsonOption {
  readonly expiresIn?: string;
  readonly maxSize?: string;
  readonly name?: string;
  readonly type?: readonly string[];
  readonly pipeline?: string;
}

export function linksCreate(context: Context): Command {
  return verb("create", "make a link by which somebody can send one file: curl -T FILE URL")
    .option("--expires-in <duration>", "how long, such as 1h; at most 7d (default: 15m)")
    .option("--max-size <size>", "of the file, such as 50MiB")
    .option("--name <name>", "of the file; else ?name= of the link, else upload")
    .option("--type <types...>", "media types that it may have, such as image/*")
    .option("--pipeline <name>", "to be run over the file")
    .action(async (options: Options) => {
      const { expiresIn, maxSize, name, type: mediaTypes, pipeline } = options;
      const { links } = await clientOf(context);
      const link = await links.toUpload({ expiresIn, maxSize, name, mediaTypes, pipeline });
      printResult(context, options, { json: link, text: () => [link.id, link.url] });
    });
}
