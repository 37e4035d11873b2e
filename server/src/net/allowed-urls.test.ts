import { get } from "node:https";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import type { Answer } from "dns-packet";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { startDnsServer, type DnsServer } from "../../test/net/dns-server.ts";
import { startOrigin, type Origin } from "../../test/net/origin.ts";
import { startTlsOrigin, type TlsOrigin } from "../../test/net/tls-origin.ts";
import { parseTarget } from "../config-fetch.ts";
import { openDialer, type Dialer } from "./dialer.ts";
import { FetchError } from "./fetch-error.ts";
import { openResolve } from "./resolve.ts";

let dns: DnsServer;
let dialers: Dialer[];
beforeEach(async () => {
  dialers = [];
  // Every name stands for this machine.
  dns = await startDnsServer((type, name): Answer[] => (type === "A" ? [{ type: "A", name, data: "127.0.0.1", ttl: 0 }] : []));
});
afterEach(async () => {
  await Promise.all(dialers.map((dialer) => dialer.close()));
  dns.close();
});

function dialerFor(allow: readonly string[], ports = [80, 443]): Dialer {
  const dialer = openDialer({ ports, allow: allow.map(parseTarget) }, { resolve: openResolve([dns.address]) });
  dialers.push(dialer);
  return dialer;
}

async function outcome(dialer: Dialer, url: string): Promise<unknown> {
  try {
    const { body } = await dialer.fetch({ url, maxBytes: 1_000 });
    return await text(body);
  } catch (error) {
    return error instanceof FetchError ? error.code : error;
  }
}

describe("what the operator allows", () => {
  let origin: Origin;
  beforeEach(async () => {
    origin = await startOrigin((_request, response) => response.end("here"), "::");
  });
  afterEach(() => origin.close());

  const at = (host: string) => `http://${host}:${origin.port}/`;

  test.each([
    ["127.0.0.1:*", "127.0.0.1", "here"],
    ["127.0.0.0/8:*", "127.0.0.9", "here"],
    ["127.0.0.0/8:*", "any.test", "here"],
    ["[::1]:*", "[::1]", "here"],
    ["[::1]:*", "127.0.0.1", "refused"],
    ["[::1]:*", "any.test", "refused"],
    ["10.0.0.0/8:*", "127.0.0.1", "refused"],
    ["0.0.0.0/0:*", "any.test", "here"],
    ["0.0.0.0/0:*", "[::ffff:127.0.0.1]", "here"],
    ["0.0.0.0/0:*", "[::1]", "refused"],
    // Named: asked as the machine asks, of /etc/hosts too.
    ["localhost:*", "localhost", "here"],
    ["LOCALHOST:*", "localhost.", "here"],
    ["*.localhost:*", "localhost", "refused"],
    ["other.test:*", "any.test", "refused"],
    ["any.test:*", "any.test.evil.test", "refused"],
    ["*.any.test:*", "evilany.test", "refused"],
    ["localhost:1", "localhost", "refused"],
    ["localhost", "localhost", "refused"],
    ["127.0.0.1", "127.0.0.1", "refused"],
  ])("%s: http://%s is %s", async (allow, host, expected) => {
    expect(await outcome(dialerFor([allow]), at(host))).toBe(expected);
    expect(origin.connections()).toBe(expected === "here" ? 1 : 0);
  });

  test("is allowed on a listed port where the entry names none", async () => {
    expect(await outcome(dialerFor(["127.0.0.1"], [origin.port]), at("127.0.0.1"))).toBe("here");
    expect(await outcome(dialerFor([`127.0.0.1:${origin.port}`]), at("127.0.0.1"))).toBe("here");
  });
});

describe("https", () => {
  let origin: TlsOrigin;
  let distrust: () => void;
  beforeEach(async () => {
    origin = await startTlsOrigin(["files.test", "*.bucket.test"], (_request, response) => response.end("safe"));
    distrust = origin.trust();
  });
  afterEach(async () => {
    distrust();
    await origin.close();
  });

  test("checks the certificate against the name in the URL, not against the address that was dialled", async () => {
    const dialer = dialerFor(["127.0.0.1:*"]);
    expect(await outcome(dialer, `https://files.test:${origin.port}/`)).toBe("safe");
    expect(await outcome(dialer, `https://a.bucket.test:${origin.port}/`)).toBe("safe");
    expect(await outcome(dialer, `https://other.test:${origin.port}/`)).toBe("unreachable");
    expect(await outcome(dialer, `https://127.0.0.1:${origin.port}/`)).toBe("unreachable");
    expect(origin.servernames.slice(0, 2)).toEqual(["files.test", "a.bucket.test"]);
  });

  test("does not take a certificate of nobody", async () => {
    distrust();
    expect(await outcome(dialerFor(["127.0.0.1:*"]), `https://files.test:${origin.port}/`)).toBe("unreachable");
  });

  test("is the same for the agents that others' clients are given", async () => {
    const { httpsAgent } = dialerFor(["127.0.0.1:*"]).agents;
    const [response] = await once(get({ host: "files.test", port: origin.port, agent: httpsAgent }), "response");
    expect(await text(response)).toBe("safe");
    await expect(once(get({ host: "other.test", port: origin.port, agent: httpsAgent }), "response")).rejects.toThrow(/other\.test/);
    const { httpsAgent: strict } = dialerFor([]).agents;
    await expect(once(get({ host: "files.test", port: origin.port, agent: strict }), "response")).rejects.toMatchObject({
      code: "refused",
    });
    await expect(once(get({ host: "127.0.0.1", port: 443, agent: strict }), "response")).rejects.toMatchObject({ code: "refused" });
    expect(origin.servernames.at(0)).toBe("files.test");
  });
});
