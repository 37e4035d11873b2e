import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Command } from "commander";
import type { ProfileResource } from "@filemill/contract/profiles.ts";
import type { Client } from "@filemill/sdk/client.ts";
import { download } from "@filemill/sdk/disk.ts";
import { clientOf, type Context } from "../context.ts";
import { CliError, EXIT } from "../exit.ts";
import { freePath, safeName } from "../files/names.ts";
import { verb, type JsonOption } from "../terminal/command.ts";
import { printResult, table } from "../terminal/print.ts";
import { everything, wholeNumber } from "../terminal/take.ts";
import { parseProfile } from "./cpu-profile.ts";
import { topFunctions, type FunctionTime } from "./top-functions.ts";

interface ProfileOptions extends JsonOption {
  readonly out?: string;
  readonly top: number;
}

export function tasksProfile(context: Context): Command {
  return verb("profile", "show where the time of a profiled job went, and download its CPU profiles")
    .argument("<job>", "job_…, of a job that was run with --profile")
    .option("-o, --out <folder>", "where the .cpuprofile files go (default: filemill-profiles, or a free name like it)")
    .option("-n, --top <count>", "how many functions at most", wholeNumber, 20)
    .action(async (job: string, options: ProfileOptions) => {
      const client = await clientOf(context);
      const profiles = await everything(client.jobs.profiles(job));
      if (profiles.length === 0) {
        throw new CliError(`${job} has no profiles. Run it with --profile (POST /jobs with "profile": true).`, EXIT.notFound);
      }
      const folder = options.out ?? (await freePath("filemill-profiles"));
      const paths = await downloadAll({ client, profiles, folder, signal: context.signal });
      const contents = await Promise.all(paths.map(async (path) => parseProfile(await readFile(path, "utf8"), path)));
      const functions = topFunctions(contents).slice(0, options.top);
      printResult(context, options, {
        json: { profiles: profiles.map((profile, index) => ({ ...profile, path: paths[index] })), functions },
        text: () => [...describe(profiles, folder), "", ...table(["SELF ms", "%", "TOTAL ms", "FUNCTION", "PLACE"], functions.map(row))],
      });
    });
}

async function downloadAll(from: {
  client: Client;
  profiles: readonly ProfileResource[];
  folder: string;
  signal: AbortSignal;
}): Promise<string[]> {
  const paths: string[] = [];
  for (const profile of from.profiles) {
    const path = await freePath(join(from.folder, safeName(profile.name)));
    await download(from.client, profile, path, { signal: from.signal });
    paths.push(path);
  }
  return paths;
}

/** CPU time is told beside the profiles, because threads of native code (images, tables) are not in them. */
function describe(profiles: readonly ProfileResource[], folder: string): string[] {
  const sum = (pick: (profile: ProfileResource) => number) => profiles.reduce((total, profile) => total + pick(profile), 0);
  const seconds = (ms: number) => `${(ms / 1_000).toFixed(2)} s`;
  const cut = profiles.filter((profile) => profile.cut).length;
  return [
    `${profiles.length} tasks: ${seconds(sum(({ wall_ms }) => wall_ms))} long, ${seconds(sum(({ cpu_ms }) => cpu_ms))} of CPU time in all threads`,
    ...(cut > 0 ? [`of ${cut} only the beginning was recorded`] : []),
    `profiles in ${folder}, for developer tools of browsers, and speedscope`,
  ];
}

function row({ name, place, selfMs, totalMs, share }: FunctionTime): string[] {
  return [selfMs.toFixed(1), (share * 100).toFixed(1), totalMs.toFixed(1), name, place];
}
