import { lookup as systemLookup } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';

// Which addresses are of the public network, by IANA's registries of special-purpose addresses.

const notPublic4 = new BlockList();
for (const [net, prefix] of [
  ['0.0.0.0', 8], // this network
  ['10.0.0.0', 8], // private
  ['100.64.0.0', 10], // carriers' NAT; some clouds' metadata
  ['127.0.0.0', 8], // loopback
  ['168.63.129.16', 32], // Azure's services of a machine
  ['169.254.0.0', 16], // link-local; most clouds' metadata
  ['172.16.0.0', 12], // private
  ['192.0.0.0', 24], // protocol assignments; Oracle's metadata
  ['192.0.2.0', 24], // documentation
  ['192.88.99.0', 24], // relays of 6to4
  ['192.168.0.0', 16], // private
  ['198.18.0.0', 15], // benchmarks
  ['198.51.100.0', 24], // documentation
  ['203.0.113.0', 24], // documentation
  ['224.0.0.0', 4], // multicast
  ['240.0.0.0', 4], // reserved, broadcast
] as const) {
  notPublic4.addSubnet(net, prefix, 'ipv4');
}

// Of IPv6 only 2000::/3 is in public use, so everything else is refused: ::1, ::ffff:0:0/96 (IPv4 in disguise), fc00::/7, fe80::/10, ff00::/8.
const global6 = new BlockList();
global6.addSubnet('2000::', 3, 'ipv6');
const notPublic6 = new BlockList();
for (const [net, prefix] of [
  ['2001::', 23], // protocol assignments, Teredo
  ['2001:db8::', 32], // documentation
  ['2002::', 16], // 6to4: IPv4 in disguise
  ['3fff::', 20], // documentation
] as const) {
  notPublic6.addSubnet(net, prefix, 'ipv6');
}
/** How networks without IPv4 reach public addresses of IPv4: these are the last four bytes. */
const nat64 = new BlockList();
nat64.addSubnet('64:ff9b::', 96, 'ipv6');

/** Whether an address is of the public network. What is no address is not. */
export function isPublicAddress(address: string): boolean {
  const kind = isIP(address);
  if (kind === 4) return !notPublic4.check(address, 'ipv4');
  if (kind === 0 || address.includes('%')) return false;
  if (nat64.check(address, 'ipv6')) return isPublicAddress(lastFourBytes(address));
  return global6.check(address, 'ipv6') && !notPublic6.check(address, 'ipv6');
}

function lastFourBytes(address: string): string {
  // A URL writes them as two groups, or one, or none.
  const groups = new URL(`http://[${address}]`).hostname.slice(1, -1).split(':').slice(-2);
  const [high, low] = groups.map((group) => Number.parseInt(group || '0', 16)) as [number, number];
  return [high >> 8, high & 255, low >> 8, low & 255].join('.');
}

/** A host has an address that is not of the public network. */
export class PrivateAddressError extends Error {
  override readonly name = 'PrivateAddressError';
  constructor() {
    super('the host has an address that is not of the public network');
  }
}

/**
 * A lookup that fails with PrivateAddressError where any address of a host is not of the public network. Connections are made to the very
 * addresses that were looked at: a name that changes its meaning gains nothing.
 * @param allowAll whether all addresses are fine now
 * @param lookup finds the addresses. Default: the system's
 */
export const guardedLookup =
  (allowAll: () => boolean, lookup: LookupFunction = systemLookup as LookupFunction): LookupFunction =>
  (host, options, callback) =>
    lookup(host, options, (error, found, family) => {
      const addresses = typeof found === 'string' ? [found] : (found ?? []).map(({ address }) => address);
      const refused = error === null && !allowAll() && !addresses.every(isPublicAddress);
      if (refused) callback(new PrivateAddressError(), []);
      else callback(error, found, family);
    });
