import { access, constants, rmdir } from "node:fs/promises";
import { makeFolder } from "@filemill/sdk/make-folder.ts";
import { CliError, explain } from "../exit.ts";

/**
 * Makes the folder of results before anything is sent: a job whose results have nowhere to go is not worth running. Gives
 * what takes back the folders that it made, where nothing was put into them. Rejects CliError.
 */
export async function prepareResultFolder(folder: string): Promise<() => Promise<void>> {
  try {
    const made = await makeFolder(folder);
    await access(folder, constants.W_OK | constants.X_OK);
    return async () => {
      for (const each of made.toReversed()) await rmdir(each).catch(() => undefined);
    };
  } catch (error) {
    throw new CliError(`The results can't go to ${folder}: ${explain(error).lines.join(" ")}`, undefined, { cause: error });
  }
}
