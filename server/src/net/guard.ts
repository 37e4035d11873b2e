import { BlockList, isIP, type LookupFunction } from "node:net";
import type { AllowedTarget, FetchConfig } from "../config-fetch.ts";
import { FetchError } from "./fetch-error.ts";
import { openResolve, resolveAsMachine, type Resolve } from "./resolve.ts";
import { isOnOpenInternet } from "./special-addresses.ts";

/**
 * Says where a connection may go. A name is resolved once, every address it has is judged, and the connection is made
 * to those very addresses: whoever answers differently the second time is not asked a second time.
 */
export interface Guard {
  /** Before anything is done with a URL. Throws FetchError `refused`. A name's addresses are judged by `lookupFor`. */
  checkUrl(url: URL): void;
  /** Of an address or name and port as `net.connect` is given them. Throws FetchError `refused`. */
  checkTarget(target: Target): void;
  /** For `net.connect`, which does not call it for what is an address already: `checkTarget` has judged that. */
  lookupFor(target: Target): LookupFunction;
}

export interface Target {
  readonly host: string;
  readonly port: number;
}

/** More addresses than that would be tried one by one until the time to connect is over. */
const MAX_ADDRESSES = 16;

export function createGuard(config: FetchConfig, resolve: Resolve = openResolve()): Guard {
  const judge = createJudge(config);

  function checkTarget({ host, port }: Target): void {
    if (isIP(host) === 0) {
      if (!judge.mayUsePort(port, host)) throw refusedPort(host, port, config.ports);
    } else if (!judge.mayDial({ host, port, address: host })) {
      throw refusedAddress(host, port);
    }
  }

  async function addressesOf({ host, port }: Target): Promise<string[]> {
    const addresses = judge.isNamed(host, port) ? await resolveAsMachine(host) : await resolve(host);
    // One forbidden address among good ones is an attempt to be lucky, or a mistake: neither is connected to.
    if (!addresses.every((address) => judge.mayDial({ host, port, address }))) throw refusedAddress(host, port);
    return addresses.slice(0, MAX_ADDRESSES);
  }

  return {
    checkUrl(url) {
      if (url.protocol !== "http:" && url.protocol !== "https:") {
        throw new FetchError("refused", `Only http: and https: can be fetched, not ${url.protocol}`);
      }
      if (url.username !== "" || url.password !== "") {
        throw new FetchError("refused", "A URL with a user or password in it is not fetched: it would be kept with the job.");
      }
      checkTarget(targetOf(url));
    },
    checkTarget,
    lookupFor: (target) => (_host, options, answer) => {
      addressesOf(target)
        .then((addresses) => {
          const found = addresses.map((address) => ({ address, family: isIP(address) }));
          const [first] = found;
          if (options.all === true) answer(null, found);
          else if (first !== undefined) answer(null, first.address, first.family);
        })
        .catch((error: NodeJS.ErrnoException) => answer(error, []));
    },
  };
}

interface Judge {
  /** The operator wrote this host's name down. */
  isNamed(host: string, port: number): boolean;
  mayUsePort(port: number, host: string): boolean;
  mayDial(dial: { host: string; port: number; address: string }): boolean;
}

function createJudge(config: FetchConfig): Judge {
  const isListed = (port: number): boolean => config.ports.includes(port);
  const takes = (target: AllowedTarget, port: number): boolean =>
    target.port === "any" || (target.port === "listed" ? isListed(port) : target.port === port);
  const names = config.allow.filter(({ host }) => host !== undefined);
  const subnets = config.allow.flatMap((target) => (target.subnet === undefined ? [] : [{ target, inside: blockListOf(target.subnet) }]));
  const isNamed = (host: string, port: number): boolean => names.some((target) => takes(target, port) && isCalled(target.host ?? "", host));

  return {
    isNamed,
    mayUsePort: (port, host) => isListed(port) || isNamed(host, port) || subnets.some(({ target }) => takes(target, port)),
    mayDial({ host, port, address }) {
      if (isNamed(host, port)) return true;
      if (isListed(port) && isOnOpenInternet(address)) return true;
      const family = isIP(address) === 4 ? "ipv4" : "ipv6";
      if (isIP(address) === 0 || address.includes("%")) return false;
      return subnets.some(({ target, inside }) => takes(target, port) && inside.check(address, family));
    },
  };
}

function blockListOf(subnet: NonNullable<AllowedTarget["subnet"]>): BlockList {
  const list = new BlockList();
  list.addSubnet(subnet.address, subnet.prefix, subnet.family);
  return list;
}

/** `pattern` is a name, or `*.` and a name. A name's final dot says that it is complete, which ours are. */
function isCalled(pattern: string, host: string): boolean {
  const name = host.toLowerCase().replace(/\.$/, "");
  return pattern.startsWith("*.") ? name.endsWith(pattern.slice(1)) : name === pattern;
}

/** Where a URL leads; the brackets of IPv6 belong to the URL, not to the address. */
function targetOf(url: URL): Target {
  const host = url.hostname.startsWith("[") ? url.hostname.slice(1, -1) : url.hostname;
  return { host, port: url.port === "" ? (url.protocol === "https:" ? 443 : 80) : Number(url.port) };
}

/** Says nothing about the address that a name has: whoever asks could map the network behind us by it. */
function refusedAddress(host: string, port: number): FetchError {
  return new FetchError(
    "refused",
    `${host}, port ${port}, is not on the open internet. An operator can allow it with FILEMILL_FETCH_ALLOW.`,
  );
}

function refusedPort(host: string, port: number, ports: readonly number[]): FetchError {
  return new FetchError(
    "refused",
    `Port ${port} of ${host} is not fetched from, only ${ports.join(", ")}. An operator can add it to FILEMILL_FETCH_PORTS.`,
  );
}
