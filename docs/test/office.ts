/** A server without a port, over a store in memory, whose doings are written down. */
import { layerOf } from "@boxoffice/core"
import { layerMemory } from "@boxoffice/core/testing"
import { toWebHandler } from "@boxoffice/http-server"
import { type Context, Layer, Redacted } from "effect"
import { makeRecording } from "./recording.ts"

export const [queueId, showId, performanceId] = ["main", "gala", "gala-1"] as const
export const seatIds = ["A1", "A2"] as const
export const adminToken = "admin-of-the-documentation"

export interface Call {
  readonly method: string
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: unknown
}

export interface Answer {
  readonly status: number
  readonly body: Readonly<Record<string, unknown>>
  readonly headers: Headers
  /** The pattern of the path, such as `/v1/shows/{showId}`. */
  readonly route: string
  readonly steps: ReadonlyArray<string>
}

export interface Office {
  readonly call: (call: Call) => Promise<Answer>
  readonly asAdmin: (method: string, path: string, body?: unknown) => Promise<Answer>
  readonly close: () => Promise<void>
}

export const openOffice = async (holdSeconds = 300): Promise<Office> => {
  const recording = makeRecording()
  let route = ""
  const services = layerOf({
    signingKeys: { k1: "the documentation's tests sign with this" },
    policies: {
      holdSeconds,
      walletCeiling: 10_000_000n,
      // However slowly a test runs, what it has just read is fresh.
      catalogMaxAgeMs: 60_000,
      gateMaxAgeMs: 60_000
    }
  }).pipe(Layer.provideMerge(recording.layerStore(layerMemory)))
  const { handler, dispose } = toWebHandler(
    {
      identity: { mode: "header" },
      charges: "user",
      adminToken: Redacted.make(adminToken),
      onRequest: (record) => {
        route = record.route
      }
    },
    Layer.provideMerge(services, recording.layerTracer)
  )
  // Effect's web handlers take what a request's fiber is to know: here, who traces it.
  const handle = handler as (request: Request, context: Context.Context<never>) => Promise<Response>

  const call = async ({ method, path, headers = {}, body }: Call): Promise<Answer> => {
    recording.take()
    const content = typeof body === "string" ? body : JSON.stringify(body)
    const request = new Request(`http://office.test${path}`, {
      method,
      ...(content === undefined
        ? { headers }
        : {
            headers: {
              "content-type": "application/json",
              // As the receiver of a request over HTTP knows it.
              "content-length": String(Buffer.byteLength(content)),
              ...headers
            },
            body: content
          })
    })
    const response = await handle(request, recording.context)
    const text = await response.text()
    return {
      status: response.status,
      body: text === "" ? {} : JSON.parse(text),
      headers: response.headers,
      route,
      steps: recording.take()
    }
  }
  const asAdmin = async (method: string, path: string, body?: unknown) => {
    const headers = { authorization: `Bearer ${adminToken}` }
    const answer = await call({ method, path, body, headers })
    if (answer.status >= 400) throw new Error(`${path}: ${JSON.stringify(answer.body)}`)
    return answer
  }
  return { call, asAdmin, close: dispose }
}
