#!/usr/bin/env node
import { constants } from "node:os";
import { keepCompiled } from "../src/keep-compiled.ts";

keepCompiled(process.env);
const { main } = await import("../src/main.ts");

const interrupted = new AbortController();
let listener = (signal: NodeJS.Signals): void => {
  // A second Ctrl-C does not wait for an orderly end.
  if (interrupted.signal.aborted) process.exit(128 + constants.signals[signal]);
  interrupted.abort();
};
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => listener(signal));
// `filemill jobs list | head` closes the pipe early; that is no error.
process.stdout.on("error", (error) => process.exit("code" in error && error.code === "EPIPE" ? 0 : 1));

process.exitCode = await main(
  {
    environment: process.env,
    stdout: process.stdout,
    stderr: process.stderr,
    signal: interrupted.signal,
    onSignal(other) {
      const before = listener;
      listener = other;
      return () => {
        listener = before;
      };
    },
    exitCode: 0,
  },
  process.argv.slice(2),
);
