import { lookup, Resolver } from "node:dns/promises";
import { FetchError } from "./fetch-error.ts";

/** All addresses of a name. Rejects with FetchError `unresolvable`. */
export type Resolve = (host: string) => Promise<string[]>;

/** One question's time, doubled for the second try; together below the dialer's time to connect. */
const ANSWER_MS = 3_000;
const TRIES = 2;

/**
 * Asks the machine's DNS servers (or these) itself. `dns.lookup` would wait for them in libuv's pool of four threads,
 * in which file reads and hashing wait too: four names whose servers never answer would stop the process.
 */
export function openResolve(servers?: readonly string[]): Resolve {
  const resolver = new Resolver({ timeout: ANSWER_MS, tries: TRIES });
  if (servers !== undefined) resolver.setServers(servers);
  return async (host) => {
    const answers = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)]);
    const addresses = answers.flatMap((answer) => (answer.status === "fulfilled" ? answer.value : []));
    if (addresses.length > 0) return addresses;
    const cause = answers.find((answer) => answer.status === "rejected")?.reason;
    throw new FetchError("unresolvable", `The name ${host} has no address.`, { cause });
  };
}

/** As the machine does it, with /etc/hosts and search domains: for names that the operator wrote, and nobody else's. */
export async function resolveAsMachine(host: string): Promise<string[]> {
  try {
    // The final dot says that a name is complete; /etc/hosts has names without.
    const found = await lookup(host.replace(/\.$/, ""), { all: true, order: "verbatim" });
    return found.map(({ address }) => address);
  } catch (cause) {
    throw new FetchError("unresolvable", `The name ${host} has no address.`, { cause });
  }
}
