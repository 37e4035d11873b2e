import { describe, expect, test } from "vitest";
import { isOnOpenInternet } from "./special-addresses.ts";

const OPEN = ["1.1.1.1", "8.8.8.8", "93.184.215.14", "172.15.255.255", "172.32.0.1", "100.63.255.255", "100.128.0.1", "168.63.129.17"];
const OPEN_6 = ["2606:4700:4700::1111", "2a00:1450:4001:80b::200e", "64:ff9b::8.8.8.8", "::ffff:8.8.8.8", "2003::1", "2001:200::1"];

const SPECIAL = [
  ...["0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.255.254", "169.254.169.254", "172.16.0.1"],
  ...["172.31.255.255", "192.0.0.1", "192.0.0.192", "192.0.2.1", "192.31.196.1", "192.52.193.1", "192.88.99.1", "192.168.1.1"],
  ...["192.175.48.1", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1"],
  ...["255.255.255.255", "168.63.129.16"],
];

const SPECIAL_6 = [
  ...["::", "::1", "::7f00:1", "::127.0.0.1", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "febf::1", "fec0::1", "ff02::1"],
  ...["100::1", "64:ff9b:1::1", "64:ff9b:1::8.8.8.8", "2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:2::1", "2001:10::1"],
  ...["2001:20::1", "2001:1ff::1", "2001:db8::1", "2002:7f00:1::", "2002:808:808::1", "2620:4f:8000::1", "3ffe::1", "3fff::1"],
  ...["3fff:fff:ffff::1", "5f00::1", "4000::1", "2606:4700::1%1"],
];

describe("an address of the open internet", () => {
  test.each([...OPEN, ...OPEN_6])("%s is one", (address) => {
    expect(isOnOpenInternet(address)).toBe(true);
  });

  test.each([...SPECIAL, ...SPECIAL_6])("%s is none", (address) => {
    expect(isOnOpenInternet(address)).toBe(false);
  });

  test.each(SPECIAL)("%s is none in IPv6's clothes either", (address) => {
    expect(isOnOpenInternet(`::ffff:${address}`), "mapped").toBe(false);
    expect(isOnOpenInternet(`64:ff9b::${address}`), "NAT64").toBe(false);
    expect(isOnOpenInternet(new URL(`http://[::ffff:${address}]`).hostname.slice(1, -1)), "mapped, as a URL writes it").toBe(false);
    expect(isOnOpenInternet(`::${address}`), "compatible").toBe(false);
  });

  test.each(["", "localhost", "127.1", "0x7f.0.0.1", "[::1]", "1.2.3.4.5"])("%s is no address at all", (text) => {
    expect(isOnOpenInternet(text)).toBe(false);
  });
});
