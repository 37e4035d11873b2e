import { get } from "node:http";
import { once } from "node:events";
import type { Answer } from "dns-packet";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { startDnsServer, type DnsServer } from "../../test/net/dns-server.ts";
import { startOrigin, type Origin } from "../../test/net/origin.ts";
import { parseTarget } from "../config-fetch.ts";
import { openDialer, type Dialer } from "./dialer.ts";
import { FetchError } from "./fetch-error.ts";
import { openResolve } from "./resolve.ts";

/** Stands for what is behind us and must never be reached: it listens on every address of this machine. */
let inside: Origin;
let dns: DnsServer;
let dialer: Dialer;
/** Names and what they stand for; the first answers are used up, the last stays. */
let zone: Record<string, Answer[][]>;

const a = (name: string, data: string): Answer => ({ type: "A", name, data, ttl: 0 });
const aaaa = (name: string, data: string): Answer => ({ type: "AAAA", name, data, ttl: 0 });

beforeEach(async () => {
  zone = {};
  inside = await startOrigin((_request, response) => response.end("secret"), "::");
  dns = await startDnsServer((type, name) => {
    const answers = zone[`${type} ${name}`] ?? [];
    return (answers.length > 1 ? answers.shift() : answers[0]) ?? [];
  });
  dialer = openDialer({ ports: [80, 443, inside.port], allow: [] }, { resolve: openResolve([dns.address]), times: { connectMs: 1_000 } });
});

afterEach(async () => {
  await dialer.close();
  dns.close();
  await inside.close();
});

async function refusal(url: string): Promise<unknown> {
  return dialer.fetch({ url, maxBytes: 1_000 }).then(
    async (fetched) => {
      fetched.body.destroy();
      return fetched.status;
    },
    (error: unknown) => (error instanceof FetchError ? error.code : error),
  );
}

describe("never reaches what listens on this machine by", () => {
  const HOSTS = [
    ...["127.0.0.1", "127.1", "0", "0.0.0.0", "0x7f.1", "0x7f000001", "2130706433", "017700000001", "127.0.0.1.", "127.127.127.127"],
    ...["[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[64:ff9b::127.0.0.1]"],
    ...["[2002:7f00:1::]", "[2001:0:7f00:1::]", "[fe80::1]", "[fd00::1]", "１２７.0.0.1", "①②⑦.0.0.1", "127%2e0%2e0%2e1", "127。0。0。1"],
    ...["169.254.169.254", "168.63.129.16", "100.100.100.200", "10.0.0.1", "192.168.0.1", "172.16.0.1"],
  ];

  test.each(HOSTS)("http://%s/", async (host) => {
    expect(await refusal(`http://${host}:${inside.port}/`)).toBe("refused");
    expect(await refusal(`https://${host}:${inside.port}/`)).toBe("refused");
    expect(inside.connections()).toBe(0);
    expect(dns.asked).toEqual([]);
  });

  test.each([
    "file:///etc/passwd",
    "gopher://127.0.0.1:70/",
    "data:text/plain,x",
    "ftp://127.0.0.1/",
    "javascript:1",
    "blob:http://x/1",
    "ws://x/",
  ])("%s", async (url) => {
    expect(await refusal(url)).toBe("refused");
  });

  test.each([
    "http://user@example.org/",
    "http://user:secret@example.org/",
    "http://:x@example.org/",
    "//x",
    "",
    "http://",
    "http://[::1",
    "http://a b/",
  ])("%j, before anybody is asked about a name", async (url) => {
    expect(await refusal(url)).toBe("refused");
    expect(dns.asked).toEqual([]);
  });

  test("user@host, whose host is what follows the @", async () => {
    expect(await refusal(`http://example.org@127.0.0.1:${inside.port}/`)).toBe("refused");
    expect(await refusal(`http://example.org#@127.0.0.1:${inside.port}/`)).toBe("unresolvable");
    expect(await refusal(`http://127.0.0.1:${inside.port}\\@example.org/`)).toBe("refused");
    expect(inside.connections()).toBe(0);
  });

  test.each([22, 25, 5432, 6379])("port %i, which is not listed", async (port) => {
    expect(await refusal(`http://example.org:${port}/`)).toBe("refused");
    expect(dns.asked).toEqual([]);
  });
});

describe("never believes a name", () => {
  test.each([
    ["of loopback", () => ({ "A in.test": [[a("in.test", "127.0.0.1")]] })],
    ["of loopback in IPv6", () => ({ "AAAA in.test": [[aaaa("in.test", "::1")]] })],
    ["of mapped loopback", () => ({ "AAAA in.test": [[aaaa("in.test", "::ffff:127.0.0.1")]] })],
    ["of metadata", () => ({ "A in.test": [[a("in.test", "169.254.169.254")]] })],
    ["of a good and a bad address", () => ({ "A in.test": [[a("in.test", "93.184.215.14"), a("in.test", "127.0.0.1")]] })],
    [
      "of a good IPv4 and a bad IPv6 address",
      () => ({ "A in.test": [[a("in.test", "93.184.215.14")]], "AAAA in.test": [[aaaa("in.test", "::1")]] }),
    ],
    [
      "that is another's (CNAME)",
      () => ({
        "A in.test": [[{ type: "CNAME", name: "in.test", data: "db.corp.test", ttl: 0 } as const, a("db.corp.test", "127.0.0.1")]],
      }),
    ],
  ])("%s", async (_what, records) => {
    zone = records();
    expect(await refusal(`http://in.test:${inside.port}/`)).toBe("refused");
    expect(inside.connections()).toBe(0);
  });

  test("a second time: the address that was judged is the one that is dialled", async () => {
    const allowed = await startOrigin((_request, response) => response.end("fine"), "::1");
    await dialer.close();
    const allow = [parseTarget(`[::1]:${allowed.port}`)];
    dialer = openDialer({ ports: [80], allow }, { resolve: openResolve([dns.address]) });
    const other = await startOrigin((_request, response) => response.end("secret"), "127.0.0.1", allowed.port);
    zone = {
      "AAAA rebind.test": [[aaaa("rebind.test", "::1")], []],
      "A rebind.test": [[], [a("rebind.test", "127.0.0.1")]],
    };
    try {
      expect(await refusal(`http://rebind.test:${allowed.port}/`)).toBe(200);
      expect(dns.asked.toSorted(), "asked once for one connection").toEqual(["A rebind.test", "AAAA rebind.test"]);
      allowed.server.closeAllConnections();
      expect(await refusal(`http://rebind.test:${allowed.port}/`)).toBe("refused");
      expect([allowed.connections(), other.connections()]).toEqual([1, 0]);
    } finally {
      await Promise.all([allowed.close(), other.close()]);
    }
  });

  test("that does not exist", async () => {
    expect(await refusal("http://nowhere.test/")).toBe("unresolvable");
    expect(await refusal(`http://localhost:${inside.port}/`)).not.toBe(200);
    expect(inside.connections()).toBe(0);
  });
});

describe("never follows inward", () => {
  let outside: Origin;
  let location: string;

  beforeEach(async () => {
    outside = await startOrigin((_request, response) => response.writeHead(302, { location }).end());
    await dialer.close();
    const allow = [parseTarget(`127.0.0.1:${outside.port}`)];
    dialer = openDialer({ ports: [80, 443, inside.port], allow }, { resolve: openResolve([dns.address]) });
  });

  afterEach(() => outside.close());

  test.each([
    () => `http://127.0.0.1:${inside.port}/`,
    () => `//[::1]:${inside.port}/`,
    () => `http://0x7f.1:${inside.port}/`,
    () => `http://in.test:${inside.port}/`,
    () => `http://user:pass@127.0.0.1:${inside.port}/`,
    () => "file:///etc/passwd",
    () => "gopher://127.0.0.1/",
  ])("%s", async (to) => {
    zone = { "A in.test": [[a("in.test", "127.0.0.1")]] };
    location = to();
    expect(await refusal(`http://127.0.0.1:${outside.port}/`)).toBe("refused");
    expect([outside.connections(), inside.connections()]).toEqual([1, 0]);
  });
});

describe("agents for the clients of others", () => {
  async function viaAgent(host: string): Promise<unknown> {
    try {
      const request = get({ host, port: inside.port, agent: dialer.agents.httpAgent });
      const [response] = await once(request, "response");
      response.resume();
      return response.statusCode;
    } catch (error) {
      return error instanceof FetchError ? error.code : error;
    }
  }

  test.each(["127.0.0.1", "::1", "::ffff:127.0.0.1", "0.0.0.0", "127.1", "in.test", "localhost"])("don't reach %s", async (host) => {
    zone = { "A in.test": [[a("in.test", "127.0.0.1")]] };
    expect(["refused", "unresolvable"]).toContain(await viaAgent(host));
    expect(inside.connections()).toBe(0);
  });

  test("reach what the operator allows", async () => {
    await dialer.close();
    dialer = openDialer({ ports: [80], allow: [parseTarget("127.0.0.0/8:*")] }, { resolve: openResolve([dns.address]) });
    zone = { "A in.test": [[a("in.test", "127.0.0.1")]] };
    expect(await viaAgent("127.0.0.1")).toBe(200);
    expect(await viaAgent("in.test")).toBe(200);
    expect(await viaAgent("::1")).toBe("refused");
    expect(inside.connections()).toBe(2);
  });
});
