/** The receivers of webhooks: they answer requests as the plan says, and note what arrives. */
import { EventEmitter } from "node:events"
import type { Actor, Machine } from "./Machine.ts"

export type Trouble = "refuses" | "resets" | "hangs" | "asks for patience"

/** One POST to a receiver. */
export interface Posted {
  readonly endpoint: string
  readonly eventId: string
  readonly aggregate: string
  readonly at: number
  /** Whether the receiver answered 2xx, whether or not the answer arrived. */
  isAccepted: boolean
}

interface RequestOptions {
  readonly headers: Readonly<Record<string, string | number>>
}

export class Receivers {
  readonly posts: Array<Posted> = []
  readonly trouble = new Map<string, Trouble>()
  private readonly machine: Machine
  private readonly count: (what: string) => void
  private readonly note: (line: string) => void

  constructor(machine: Machine, count: (what: string) => void, note: (line: string) => void) {
    this.machine = machine
    this.count = count
    this.note = note
  }

  /** What `http.request` returns: enough of a request for a webhook. */
  request(actor: Actor, url: URL, { headers }: RequestOptions): EventEmitter {
    const request = new EventEmitter()
    let isOver = false
    const later = (ms: number, what: () => void) =>
      this.machine.after(actor, ms, () => isOver || what())
    const end = (body: string) => {
      const endpoint = url.hostname.split(".")[0]!
      const post = this.receive(endpoint, String(headers["webhook-id"]), body)
      const trouble = this.trouble.get(endpoint)
      this.note(`POST ${endpoint} ${post.eventId}: ${trouble ?? "accepted"}`)
      this.count(`webhook: ${trouble ?? "accepted"}`)
      const ms = actor.random.between(1, 40)
      if (trouble === "hangs") return
      if (trouble === "resets") return later(ms, () => request.emit("error", new Error("reset")))
      post.isAccepted = trouble === undefined
      return later(ms, () => {
        const response = Object.assign(new EventEmitter(), {
          statusCode: trouble === undefined ? 204 : trouble === "refuses" ? 500 : 429,
          headers: trouble === "asks for patience" ? { "retry-after": "2" } : {}
        })
        request.emit("response", response)
        response.emit("end")
      })
    }
    const destroy = () => {
      isOver = true
    }
    return Object.assign(request, { end, destroy })
  }

  private receive(endpoint: string, eventId: string, body: string): Posted {
    const { aggregate } = JSON.parse(body) as { aggregate?: { kind: string; id: string } }
    const post = {
      endpoint,
      eventId,
      aggregate: `${aggregate?.kind}/${aggregate?.id}`,
      at: this.machine.elapsed(),
      isAccepted: false
    }
    this.posts.push(post)
    return post
  }
}
