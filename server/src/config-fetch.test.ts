import { describe, expect, test } from "vitest";
import { readConfig } from "./config.ts";
import { ConfigError } from "./errors.ts";
import { parseTarget } from "./config-fetch.ts";

const MACHINE = { platform: "linux", root: false, home: "/home/ada", cores: 2 } as const;

describe("what may be fetched beyond the open internet", () => {
  test.each([
    ["files.example.org", { host: "files.example.org", port: "listed" }],
    ["Registry:5000", { host: "registry", port: 5000 }],
    ["*.svc.cluster.local:*", { host: "*.svc.cluster.local", port: "any" }],
    ["10.1.2.3", { subnet: { address: "10.1.2.3", prefix: 32, family: "ipv4" }, port: "listed" }],
    ["127.0.0.0/8:*", { subnet: { address: "127.0.0.0", prefix: 8, family: "ipv4" }, port: "any" }],
    ["fd00::/8", { subnet: { address: "fd00::", prefix: 8, family: "ipv6" }, port: "listed" }],
    ["[fd00::/8]:9000", { subnet: { address: "fd00::", prefix: 8, family: "ipv6" }, port: 9000 }],
    ["::1", { subnet: { address: "::1", prefix: 128, family: "ipv6" }, port: "listed" }],
    ["[::1]:80", { subnet: { address: "::1", prefix: 128, family: "ipv6" }, port: 80 }],
  ])("%s is understood", (text, target) => {
    expect(parseTarget(text)).toEqual(target);
  });

  test.each([
    ...[
      "10.0.0.0/33",
      "10.0.0.0/",
      "10.0.0.0/8/8",
      "fd00::/129",
      "256.1.1.1",
      "127.1",
      "2130706433",
      "http://host",
      "user@host",
      "host/path",
    ],
    ...["host:0", "host:65536", "host:", "*", "*.", "a..b", "-a", "a b", "[fd00::", "fe80::1%eth0", "[fe80::1%eth0]:80", ""],
  ])("%s is not", (text) => {
    expect(() => parseTarget(text)).toThrow(RangeError);
  });

  test("is read with the ports, and a wrong one is named", () => {
    expect(readConfig({ FILEMILL_FETCH_ALLOW: "10.0.0.0/8,host:81", FILEMILL_FETCH_PORTS: "80, 8080" }, MACHINE).fetch).toEqual({
      ports: [80, 8080],
      allow: [parseTarget("10.0.0.0/8"), parseTarget("host:81")],
    });
    expect(readConfig({}, MACHINE).fetch).toEqual({ ports: [80, 443], allow: [] });
    expect(() => readConfig({ FILEMILL_FETCH_ALLOW: "10.0.0.0/99" }, MACHINE)).toThrow(/FILEMILL_FETCH_ALLOW has "10.0.0.0\/99"/);
    expect(() => readConfig({ FILEMILL_FETCH_PORTS: "80,x" }, MACHINE)).toThrow(ConfigError);
  });
});
