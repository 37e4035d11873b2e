import pino, { type DestinationStream, type Logger } from "pino";
import type { LogLevel } from "./log-levels.ts";

export interface LogOptions {
  readonly level: LogLevel;
  /** Which process speaks: `all`, `api`, `worker`, `migrate`. */
  readonly process: string;
  /** stderr unless told. */
  readonly destination?: DestinationStream;
}

/** An API key without its last part, which is the secret and the checksum; the id that stays finds it in the database. */
const API_KEY = /(fml_[a-z]+_[0-9A-Za-z]{10}_)[0-9A-Za-z]+/g;
/** The password in a URL such as postgres://user:password@host. */
const URL_PASSWORD = /(\w:\/\/[^\s:/@"]*:)[^\s/@"]+@/g;

/**
 * JSON, a line an entry, on stderr; stdout belongs to what a command answers. Written synchronously, so that the last
 * words of a process that ends are there. API keys and passwords in URLs are struck out of the finished line, because
 * a list of fields to hide never knows the next field, nor the inside of a message or a stack.
 */
export function openLog(options: LogOptions): Logger {
  return pino(
    {
      level: options.level,
      base: { process: options.process, pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      hooks: { streamWrite: withoutSecrets },
    },
    options.destination ?? pino.destination({ dest: 2, sync: true }),
  );
}

/** The text with the secrets in it struck out. */
export function withoutSecrets(text: string): string {
  return text.replace(API_KEY, "$1…").replace(URL_PASSWORD, "$1…@");
}
