/**
 * The addresses that a webhook may connect to. A party that configures an endpoint must not reach
 * addresses that only this machine can reach: its own services, its network, its cloud's metadata.
 */
import { type LookupAddress, lookup } from "node:dns"
import { BlockList, isIP, isIPv4, type LookupFunction } from "node:net"

/** The host is an address that is not public, or resolves to one. */
export class AddressRefused extends Error {
  constructor(host: string) {
    super(`${host} is not a public address`)
    this.name = "AddressRefused"
  }
}

// The addresses that IANA's special-purpose registries list as not globally reachable.
const privateIPv4 = new BlockList()
for (const [network, prefix] of [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.88.99.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 4],
  ["240.0.0.0", 4]
] as const) {
  privateIPv4.addSubnet(network, prefix, "ipv4")
}

// Of IPv6 only 2000::/3 is given out, and parts of that lead elsewhere: to documentation, or to
// IPv4 addresses that are written into them. Mapped ones, ::ffff:0:0/96, are outside of it.
const publicIPv6 = new BlockList()
publicIPv6.addSubnet("2000::", 3, "ipv6")
const reservedIPv6 = new BlockList()
reservedIPv6.addSubnet("2001::", 23, "ipv6")
reservedIPv6.addSubnet("2001:db8::", 32, "ipv6")
reservedIPv6.addSubnet("2002::", 16, "ipv6")
reservedIPv6.addSubnet("3fff::", 20, "ipv6")

/** Whether an address is globally reachable. */
export const isPublic = (address: string): boolean =>
  isIPv4(address)
    ? !privateIPv4.check(address, "ipv4")
    : isIP(address) === 6 &&
      !address.includes("%") &&
      publicIPv6.check(address, "ipv6") &&
      !reservedIPv6.check(address, "ipv6")

type Resolve = (
  host: string,
  done: (error: Error | null, found: Array<LookupAddress>) => void
) => void

const resolveAll: Resolve = (host, done) => lookup(host, { all: true }, done)

/**
 * The `lookup` of a connection that may only go to public addresses. The socket connects to the
 * address that it returns, so a second answer of the name server has no effect. It refuses a host
 * if any one of its addresses is not public: a mixture is a sign of an attack.
 */
export const publicLookup =
  (resolve: Resolve = resolveAll): LookupFunction =>
  (host, options, callback) =>
    resolve(host, (error, found) => {
      if (error) return callback(error, [])
      // Guard webhook-address: without " || !found.every(({ address }) => isPublic(address))", webhooks.test "one address that is not public" fails.
      if (found.length === 0 || !found.every(({ address }) => isPublic(address))) {
        return callback(new AddressRefused(host), [])
      }
      if (options.all) return callback(null, found)
      callback(null, found[0]!.address, found[0]!.family)
    })

/** Refuses a host that is itself a private address: Node does not call `lookup` for addresses. */
export const refusePrivateHost = (host: string): void => {
  const address = host.replace(/^\[(.*)\]$/, "$1")
  // Guard webhook-host: without it, webhooks.test "is not gone to" fails.
  if (isIP(address) !== 0 && !isPublic(address)) throw new AddressRefused(host)
}
