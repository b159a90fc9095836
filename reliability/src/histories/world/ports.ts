import { once } from "node:events"
import { createServer, type Server } from "node:net"

export const listen = async (server: Server): Promise<number> => {
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  const address = server.address()
  if (address === null || typeof address === "string") throw new Error("no port")
  return address.port
}

/** A port that is free now. A process that is started again listens at the same address. */
export const freePort = async (): Promise<number> => {
  const probe = createServer()
  const port = await listen(probe)
  probe.close()
  await once(probe, "close")
  return port
}
