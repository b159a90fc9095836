/** Starts servers on sockets of their own, and sends requests to them. */
import {
  type BatchOptions,
  BatchSettings,
  BoxOffice,
  type BoxOfficeStore,
  defaultPolicies,
  Policies,
  type PolicyOptions,
  QueueTokens
} from "@boxoffice/core"
import { layerMemory } from "@boxoffice/core/testing"
import { Cause, Context, Effect, Exit, Layer, Logger, Redacted, References, Scope } from "effect"
import { HttpServer } from "effect/http"
import type { RoutesOptions } from "../src/server/router.ts"
import { type ListenOptions, layerServer } from "../src/server/server.ts"

export const adminToken = "an operator's token"
export const ticketKey = {
  id: "k1",
  secret: Redacted.make("a secret of at least thirty-two bytes")
}

export interface Answer {
  readonly status: number
  readonly headers: Headers
  // biome-ignore lint/suspicious/noExplicitAny: tests look into bodies of every kind
  readonly body: any
}

export interface Ask {
  readonly user?: string | undefined
  readonly token?: string | undefined
  readonly key?: string | undefined
  readonly json?: unknown
  readonly admin?: boolean
  readonly headers?: Record<string, string>
  readonly body?: BodyInit
  readonly signal?: AbortSignal
}

export type Talk = (method: string, path: string, ask?: Ask) => Promise<Answer>

/** Sends one request to a server. */
export const talkTo =
  (url: string): Talk =>
  async (method, path, ask = {}) => {
    const headers = new Headers(ask.headers)
    if (ask.user !== undefined) headers.set("X-User-Id", ask.user)
    if (ask.token !== undefined) headers.set("Queue-Token", ask.token)
    if (ask.key !== undefined) headers.set("Idempotency-Key", ask.key)
    if (ask.admin) headers.set("Authorization", `Bearer ${adminToken}`)
    if (ask.json !== undefined) headers.set("Content-Type", "application/json")
    const body = ask.json === undefined ? ask.body : JSON.stringify(ask.json)
    const response = await fetch(url + path, {
      method,
      headers,
      redirect: "manual",
      ...(body !== undefined && { body, duplex: "half" }),
      ...(ask.signal && { signal: ask.signal })
    } as RequestInit)
    const text = await response.text()
    const isJson = /json/.test(response.headers.get("content-type") ?? "")
    return {
      status: response.status,
      headers: response.headers,
      body: isJson && text !== "" ? JSON.parse(text) : text
    }
  }

export interface TestServerOptions {
  readonly store?: Layer.Layer<BoxOfficeStore, unknown>
  readonly policies?: Partial<PolicyOptions>
  readonly batches?: Partial<BatchOptions>
  readonly routes?: Partial<RoutesOptions & ListenOptions>
}

export interface TestServer extends AsyncDisposable {
  readonly url: string
  readonly talk: Talk
  /** What the server has logged. */
  readonly logs: ReadonlyArray<{ readonly text: string; readonly requestId: unknown }>
  /** Shuts the server down gracefully. */
  readonly stop: () => Promise<void>
}

/** Starts a server in this process, on a free port. */
export const startServer = async (options: TestServerOptions = {}): Promise<TestServer> => {
  const scope = Scope.makeUnsafe()
  const batches = Layer.effect(
    BatchSettings,
    Effect.map(BatchSettings, (current) => ({ ...current, ...options.batches }))
  )
  const office = BoxOffice.layer.pipe(
    Layer.provide([
      QueueTokens.layer([ticketKey]),
      Layer.succeed(Policies, { ...defaultPolicies, ...options.policies }),
      batches
    ]),
    Layer.provideMerge(options.store ?? layerMemory)
  )
  const server = layerServer({
    identity: { mode: "header" },
    charges: "user",
    adminToken: Redacted.make(adminToken),
    port: 0,
    host: "127.0.0.1",
    ...options.routes
  })
  const logs: Array<TestServer["logs"][number]> = []
  const logger = Logger.make(({ cause, message, fiber }) => {
    const { requestId } = fiber.getRef(References.CurrentLogAnnotations)
    logs.push({ text: `${message} ${Cause.pretty(cause)}`, requestId })
  })
  const context = await Effect.runPromise(
    Layer.buildWithScope(
      server.pipe(
        Layer.provide(office),
        Layer.provide([
          // As without an exporter of traces.
          Layer.succeed(References.TracerEnabled, false),
          Logger.layer([logger])
        ])
      ),
      scope
    )
  )
  const { address } = Context.get(context, HttpServer.HttpServer)
  const url = `http://127.0.0.1:${"port" in address ? address.port : 0}`
  const stop = () => Effect.runPromise(Scope.close(scope, Exit.void))
  return { url, talk: talkTo(url), logs, stop, [Symbol.asyncDispose]: stop }
}

/** `gala-1`, behind the queue `main`: rows A and B of ten seats each, at 100 won. */
export const openHouse = async (
  talk: Talk,
  queue: { readonly settings?: Record<string, number> } = {}
): Promise<void> => {
  const startsAt = new Date(Date.now() + 30 * 86_400_000).toISOString()
  const made = [
    await talk("POST", "/v1/admin/queues", { admin: true, json: { queueId: "main", ...queue } }),
    await talk("POST", "/v1/admin/shows", {
      admin: true,
      json: { showId: "gala", title: "Gala", queueId: "main" }
    }),
    await talk("POST", "/v1/admin/shows/gala/performances", {
      admin: true,
      json: { performanceId: "gala-1", startsAt, timeZone: "Asia/Seoul" }
    }),
    await talk("POST", "/v1/admin/performances/gala-1/seats", {
      admin: true,
      json: { seats: seatsOf(["A", "B"], 10) }
    })
  ]
  for (const answer of made) {
    if (answer.status !== 201) throw new Error(JSON.stringify(answer.body))
  }
}

export const seatsOf = (rows: ReadonlyArray<string>, count: number, amount = 100) =>
  rows.flatMap((row) =>
    Array.from({ length: count }, (_, i) => ({
      seatId: `${row}-${i + 1}`,
      section: "Floor",
      row,
      number: String(i + 1),
      price: { amount, currency: "KRW" }
    }))
  )

/** Joins the queue and returns the token. */
export const join = async (talk: Talk, user: string, queueId = "main"): Promise<string> => {
  const { status, body } = await talk("POST", `/v1/queues/${queueId}/token`, { user })
  if (status !== 201 && status !== 200) throw new Error(JSON.stringify(body))
  return body.token
}

/** Joins as a user who is admitted, and returns their requests. */
export const enter = async (talk: Talk, user: string) => {
  const token = await join(talk, user)
  const as = { user, token }
  return {
    token,
    hold: (seatIds: ReadonlyArray<string>, ask: Ask = {}) =>
      talk("POST", "/v1/reservations", {
        ...as,
        json: { performanceId: "gala-1", seatIds },
        ...ask
      }),
    charge: (amount: number, key: string, ask: Ask = {}) =>
      talk("POST", "/v1/wallet/charges", { ...as, key, json: { amount, currency: "KRW" }, ...ask }),
    pay: (reservationId: string, key: string, ask: Ask = {}) =>
      talk("POST", "/v1/payments", { ...as, key, json: { reservationId }, ...ask }),
    get: (path: string, ask: Ask = {}) => talk("GET", path, { ...as, ...ask })
  }
}
