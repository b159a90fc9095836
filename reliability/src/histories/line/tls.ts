/**
 * TLS on a line. A line reads what it passes on, so it is where TLS ends: the node has one encrypted
 * connection to the line, and the line another one to the server, with the same certificate.
 */
import { once } from "node:events"
import type { Socket } from "node:net"
import { connect, TLSSocket } from "node:tls"

export interface Credentials {
  /** In PEM: the certificate is signed with its own key, and so it is its own authority. */
  readonly certificate: string
  readonly key: string
}

/** What a client of Postgres sends first if it wants TLS. */
const request = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f])

/** Encrypts both sides. Rejects if the node does not ask for TLS, or the server has none. */
export const encryptBoth = async (
  client: Socket,
  upstream: Socket,
  { certificate, key }: Credentials
): Promise<readonly [TLSSocket, TLSSocket]> => {
  const [asked] = await once(client, "data")
  if (!request.equals(asked)) throw new Error("the node does not ask for TLS")
  upstream.write(request)
  const [answer] = await once(upstream, "data")
  if (String(answer) !== "S") throw new Error("the server has no TLS")
  const toServer = connect({ socket: upstream, ca: certificate, servername: "localhost" })
  // A side may break while the other one is in its handshake: the line hears of it by its end.
  toServer.on("error", () => {})
  await once(toServer, "secureConnect")
  client.write("S")
  const toNode = new TLSSocket(client, { isServer: true, cert: certificate, key })
  toNode.on("error", () => {})
  await once(toNode, "secure")
  return [toNode, toServer]
}
