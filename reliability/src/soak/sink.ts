/** The receiver of the webhooks: it takes most of them, and refuses a few, so that these are parked. */
import { once } from "node:events"
import { createServer } from "node:http"

export interface Sink {
  readonly url: string
  readonly taken: () => number
  readonly stop: () => Promise<void>
}

/** One attempt of so many is refused. */
const refusedOf = 50

export const startSink = async (): Promise<Sink> => {
  let attempts = 0
  let taken = 0
  const server = createServer((request, response) => {
    request.resume()
    request.on("end", () => {
      const refused = ++attempts % refusedOf === 0
      if (!refused) taken++
      response.writeHead(refused ? 500 : 204).end()
    })
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as { readonly port: number }
  return {
    url: `http://127.0.0.1:${port}/hook`,
    taken: () => taken,
    stop: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, "close")
    }
  }
}
