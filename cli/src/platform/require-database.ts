import type { Context } from "../context.ts";
import { CliError, EXIT } from "../exit.ts";

/** Throws CliError where no database is named for what works with it directly. */
export function requireDatabase({ environment }: Context, chosen: string | undefined, who: string): void {
  if (chosen ?? environment["FILEMILL_DATABASE_URL"]) return;
  throw new CliError(`${who} needs a database: give --database postgres://…, or set FILEMILL_DATABASE_URL.`, EXIT.usage);
}
