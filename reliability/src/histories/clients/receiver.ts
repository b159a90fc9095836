/** Receives webhooks, as hosts do: it is slow at times, refuses at times, and hangs up at times. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import { setTimeout as sleep } from "node:timers/promises"
import { verifyWebhook } from "@boxoffice/core"
import type { Random } from "../../random.ts"
import type { HistoryLog } from "../history.ts"
import { listen } from "../world/ports.ts"
import { webhookSecret } from "../world/settings.ts"

export interface Receiver {
  readonly url: string
  /** From now on it accepts everything at once. */
  readonly behave: () => void
  readonly close: () => void
}

export const openReceiver = async (
  log: HistoryLog,
  name: string,
  random: Random
): Promise<Receiver> => {
  let behaves = false
  const receive = async (request: IncomingMessage, response: ServerResponse) => {
    const chunks: Array<Buffer> = []
    for await (const chunk of request) chunks.push(chunk)
    const headers = new Headers(request.headers as Record<string, string>)
    const whim = behaves ? 0 : random.next()
    if (whim > 0.98) {
      request.socket.destroy()
      return
    }
    if (whim > 0.95) {
      response.writeHead(500).end()
      return
    }
    if (whim > 0.9) await sleep(random.below(400))
    const { id, aggregate, event } = verifyWebhook({
      headers,
      body: Buffer.concat(chunks).toString(),
      secrets: [webhookSecret],
      // The clock of a node may be set by an hour.
      toleranceSeconds: 2 * 3_600
    })
    log.delivered({
      delivered: name,
      id,
      aggregate: `${aggregate.kind}/${aggregate.id}`,
      type: event._tag
    })
    response.writeHead(204).end()
  }
  const server = createServer((request, response) => {
    // A node that is killed stops in the middle of a request.
    receive(request, response).catch(() => request.socket.destroy())
  })
  const port = await listen(server)
  return {
    url: `http://127.0.0.1:${port}/`,
    behave: () => {
      behaves = true
    },
    close: () => {
      server.closeAllConnections()
      server.close()
    }
  }
}
