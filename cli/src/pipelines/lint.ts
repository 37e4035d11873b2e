import type { Command } from "commander";
import { clientOf, type Context } from "../context.ts";
import { EXIT, issueLine } from "../exit.ts";
import { verb, type JsonOption } from "../terminal/command.ts";
import { printResult } from "../terminal/print.ts";
import { readDocument } from "./document.ts";

export function pipelinesLint(context: Context): Command {
  return verb("lint", "check a pipeline document; shows every problem at once")
    .argument("<file>", "a .json file")
    .action(async (path: string, options: JsonOption) => {
      const client = await clientOf(context);
      const answer = await client.pipelines.lint(await readDocument(path));
      printResult(context, options, {
        json: answer,
        text: () =>
          answer.valid ? [`${path}: no problems`] : [`${path}: ${answer.issues.length} problems`, ...answer.issues.map(issueLine)],
      });
      if (!answer.valid) context.exitCode = EXIT.failure;
    });
}
