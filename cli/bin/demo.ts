import { EXIT, explain } from "../src/exit.ts";
import { demo } from "../src/demo/demo.ts";
import { printable } from "../src/terminal/print.ts";

const interrupted = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    // A second one does not wait for an orderly end.
    if (interrupted.signal.aborted) process.exit(EXIT.interrupted);
    interrupted.abort();
  });
}

const words = process.argv.slice(2);
const wrong = words.find((word) => word !== "--keep");
const context = {
  environment: process.env,
  stdout: process.stdout,
  stderr: process.stderr,
  signal: interrupted.signal,
  onSignal: () => () => undefined,
  exitCode: 0,
};

if (wrong !== undefined) {
  console.error(`The demo does not know "${printable(wrong)}"; the only option is --keep, which leaves the platform running.`);
  process.exitCode = EXIT.usage;
} else {
  try {
    await demo(context, { keep: words.includes("--keep") });
  } catch (error) {
    const { lines, exitCode } = explain(error);
    console.error(lines.map(printable).join("\n"));
    process.exitCode = interrupted.signal.aborted ? EXIT.interrupted : exitCode;
  }
}
