import { CommanderError } from "commander";
import type { Context } from "./context.ts";
import { EXIT, explain, type ErrorDocument } from "./exit.ts";
import { createPlatformProgram, STARTS_AT_ONCE } from "./platform/program.ts";
import { printable } from "./terminal/print.ts";

/** Runs one command line (without node and script); gives the exit code and never rejects. */
export async function main(context: Context, words: readonly string[]): Promise<number> {
  const asJson = words.includes("--json");
  const write = (text: string) => void context.stderr.write(text);
  const writeDocument = (document: ErrorDocument) => write(`${printable(JSON.stringify(document, null, 2))}\n`);
  try {
    const program = await programFor(words[0]);
    await program(context, asJson ? () => undefined : write).parseAsync([...words], { from: "user" });
    return context.exitCode;
  } catch (error) {
    if (error instanceof CommanderError) {
      // It has printed help already.
      if (error.exitCode === 0 || error.code === "commander.helpDisplayed") return EXIT.ok;
      if (asJson) writeDocument(wrongUsage(error));
      return EXIT.usage;
    }
    const interrupted = context.signal.aborted;
    const { lines, exitCode, document } = explain(interrupted ? context.signal.reason : error);
    if (asJson) writeDocument(document);
    else write(lines.map((line) => `${printable(line)}\n`).join(""));
    return interrupted ? EXIT.interrupted : exitCode;
  }
}

async function programFor(command: string | undefined) {
  return STARTS_AT_ONCE.includes(command ?? "") ? createPlatformProgram : (await import("./program.ts")).createProgram;
}

function wrongUsage({ message }: CommanderError): ErrorDocument {
  return { code: "wrong_usage", detail: message.replace(/^error: /, ""), issues: [] };
}
