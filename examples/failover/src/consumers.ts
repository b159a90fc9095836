/** Two consumers of every event: an endpoint of webhooks, and a loop in a backend of one's own. */
import { once } from "node:events"
import { createServer } from "node:http"
import { text } from "node:stream/consumers"
import { newWebhookSecret } from "@boxoffice/core"
import { openBoxOffice } from "@boxoffice/sql-store"
import { signingKeys } from "./nodes.ts"

/** The events that a consumer has received, by aggregate, each once, in the order of its first arrival. */
export class Received {
  readonly ids = new Set<string>()
  readonly ordered = new Map<string, Array<string>>()
  repeated = 0
  /** The longest time between two events, by the monotonic clock. */
  longestSilenceMs = 0
  private lastAt = performance.now()

  add(aggregate: { readonly kind: string; readonly id: string }, id: string): void {
    const now = performance.now()
    this.longestSilenceMs = Math.max(this.longestSilenceMs, now - this.lastAt)
    this.lastAt = now
    if (this.ids.has(id)) {
      this.repeated++
      return
    }
    this.ids.add(id)
    const name = `${aggregate.kind} ${aggregate.id}`
    const events = this.ordered.get(name)
    if (events === undefined) this.ordered.set(name, [id])
    else events.push(id)
  }
}

export interface Consumer {
  readonly name: string
  readonly received: Received
  readonly stop: () => Promise<void>
}

/** A receiver of webhooks, and the variables of the nodes that deliver to it. */
export const receiveWebhooks = async () => {
  const received = new Received()
  const server = createServer(async (request, response) => {
    const { aggregate } = JSON.parse(await text(request))
    received.add(aggregate, String(request.headers["webhook-id"]))
    response.writeHead(204).end()
  }).listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as { port: number }
  const endpoint = {
    name: "failover",
    url: `http://127.0.0.1:${port}/`,
    secretVariables: ["WEBHOOK_SECRET"],
    from: "beginning",
    allowPrivate: true,
    retryMs: 500,
    concurrency: 64
  }
  const environment = {
    BOXOFFICE_WEBHOOKS: JSON.stringify([endpoint]),
    WEBHOOK_SECRET: newWebhookSecret()
  }
  const stop = async () => {
    server.close()
    server.closeAllConnections()
  }
  return { environment, consumer: { name: "webhooks", received, stop } satisfies Consumer }
}

/** A loop as in `docs/events.md`. It is never started again. */
export const consume = async (database: string): Promise<Consumer> => {
  const office = await openBoxOffice({ database, signingKeys, maxConnections: 4 })
  const received = new Received()
  const stopping = new AbortController()
  let failure: unknown
  const loop = (async () => {
    for await (const { id, aggregate, event: _ } of office.events.consume("loop", {
      signal: stopping.signal
    })) {
      received.add(aggregate, id)
    }
  })().catch((error) => {
    failure = error
  })
  return {
    name: "loop",
    received,
    stop: async () => {
      stopping.abort()
      await loop
      await office.close()
      if (failure !== undefined) throw new Error("the loop of a consumer ended", { cause: failure })
    }
  }
}
