import { BlockList, isIP } from "node:net";

/** Whether an address, as `node:net` writes it, is one on the open internet. What is no address is not. */
export function isOnOpenInternet(address: string): boolean {
  if (isIP(address) === 4) return !SPECIAL.check(address, "ipv4");
  // A zone (fe80::1%eth0) makes an address of one link; BlockList would refuse to read it.
  if (isIP(address) !== 6 || address.includes("%")) return false;
  return UNICAST_6.check(address, "ipv6") && !SPECIAL.check(address, "ipv6");
}

/**
 * Not for strangers: all of the IANA IPv4 Special-Purpose Address Registry and multicast, also where the registry says
 * "globally reachable", because those are services of routers (AS112, AMT) that hold no files.
 * https://www.iana.org/assignments/iana-ipv4-special-registry
 */
const SPECIAL_4: readonly (readonly [network: string, prefix: number])[] = [
  ["0.0.0.0", 8], // this network; Linux takes 0.0.0.0 for itself
  ["10.0.0.0", 8], // private
  ["100.64.0.0", 10], // shared by carriers; some clouds keep their metadata there
  ["127.0.0.0", 8], // loopback
  ["169.254.0.0", 16], // link-local; most clouds' metadata
  ["172.16.0.0", 12], // private
  ["192.0.0.0", 24], // IETF protocol assignments; one cloud's metadata
  ["192.0.2.0", 24], // documentation
  ["192.31.196.0", 24], // AS112
  ["192.52.193.0", 24], // AMT
  ["192.88.99.0", 24], // 6to4 relays, deprecated
  ["192.168.0.0", 16], // private
  ["192.175.48.0", 24], // AS112
  ["198.18.0.0", 15], // benchmarking
  ["198.51.100.0", 24], // documentation
  ["203.0.113.0", 24], // documentation
  ["224.0.0.0", 4], // multicast
  ["240.0.0.0", 4], // reserved, and broadcast
  // In no registry: the address at which every virtual machine in Azure finds its host's agent and metadata.
  ["168.63.129.16", 32],
];

/**
 * The parts of IPv6's global unicast that are special, https://www.iana.org/assignments/iana-ipv6-special-registry.
 * Everything outside of 2000::/3 (loopback, unique local, link-local, multicast, 64:ff9b:1::/48 …) is refused by
 * UNICAST_6, so that a block which is assigned tomorrow is refused today.
 */
const SPECIAL_6: readonly (readonly [network: string, prefix: number])[] = [
  ["2001::", 23], // IETF protocol assignments: Teredo, ORCHID, benchmarking, AMT, AS112
  ["2001:db8::", 32], // documentation
  ["2002::", 16], // 6to4: would be unwrapped to an IPv4 address that nobody looked at
  ["2620:4f:8000::", 48], // AS112
  ["3ffe::", 16], // the returned 6bone
  ["3fff::", 20], // documentation
];

/** RFC 6052: what DNS64 answers on networks without IPv4. It stands for the IPv4 address in its last 32 bits. */
const NAT64 = "64:ff9b::";
/** RFC 4291 §2.5.5.2: the same address as its last 32 bits, and connects to it. */
const MAPPED = "::ffff:";

const UNICAST_6 = new BlockList();
UNICAST_6.addSubnet("2000::", 3, "ipv6");
UNICAST_6.addSubnet(NAT64, 96, "ipv6");
UNICAST_6.addSubnet(`${MAPPED}0.0.0.0`, 96, "ipv6");

const SPECIAL = new BlockList();
for (const [network, prefix] of SPECIAL_6) SPECIAL.addSubnet(network, prefix, "ipv6");
for (const [network, prefix] of SPECIAL_4) {
  SPECIAL.addSubnet(network, prefix, "ipv4");
  for (const wrap of [NAT64, MAPPED]) SPECIAL.addSubnet(`${wrap}${network}`, 96 + prefix, "ipv6");
}
