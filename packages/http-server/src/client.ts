/**
 * A typed client, derived from the same definition that the server serves. It runs wherever
 * `fetch` exists, browsers included, and fails with the same tagged errors as the engine.
 *
 * @module
 */
import type {
  AvailableDates,
  Balance,
  Charge,
  JoinedQueue,
  Money,
  Payment,
  QueueTokenStatus,
  Reservation,
  SeatMap
} from "@boxoffice/core/schema"
import { Effect, ManagedRuntime } from "effect"
import { FetchHttpClient, HttpClient, HttpClientRequest } from "effect/http"
import { HttpApiClient, HttpApiMiddleware } from "effect/http-api"
import { Api } from "./api/api.ts"
import { Admin, Identity } from "./api/identity.ts"

export interface ClientOptions {
  /** The URL of the server, such as `https://tickets.example`. */
  readonly baseUrl: string | URL
  /** The user's id, for a server that reads it from `X-User-Id`. */
  readonly userId?: string | undefined
  /** The user's JWT, or a function that returns a valid one: it is called for each request. */
  readonly jwt?: string | (() => string | Promise<string>) | undefined
  /** Sent as the bearer token of an operator. */
  readonly adminToken?: string | undefined
}

const identityOf = ({ userId, jwt }: ClientOptions) =>
  HttpApiMiddleware.layerClient(Identity, ({ next, request }) => {
    if (jwt !== undefined) {
      const token = Effect.promise(async () => (typeof jwt === "string" ? jwt : jwt()))
      return Effect.flatMap(token, (token) => next(HttpClientRequest.bearerToken(request, token)))
    }
    return next(
      userId === undefined
        ? request
        : HttpClientRequest.setHeader(request, "x-user-id", asHeader(userId))
    )
  })

const adminOf = ({ adminToken }: ClientOptions) =>
  HttpApiMiddleware.layerClient(Admin, ({ next, request }) =>
    next(adminToken === undefined ? request : HttpClientRequest.bearerToken(request, adminToken))
  )

/**
 * The client for Effect: a method for each endpoint, by group.
 *
 * @example
 * ```ts
 * import { makeClient } from "@boxoffice/http-server/client"
 * import { Effect } from "effect"
 *
 * const join = Effect.gen(function* () {
 *   const client = yield* makeClient({ baseUrl: "http://localhost:3000", userId: "ada" })
 *   const { token } = yield* client.queue.join({ params: { queueId: "main" }, headers: {} })
 *   return token
 * })
 * ```
 */
export const makeClient = (options: ClientOptions) =>
  HttpApiClient.make(Api, {
    transformClient: HttpClient.mapRequest(
      HttpClientRequest.prependUrl(String(options.baseUrl).replace(/\/$/, ""))
    )
  }).pipe(Effect.provide([identityOf(options), adminOf(options)]))

/** Requests with the same key have one effect and one response. The default is a random key. */
export interface KeyOptions {
  readonly idempotencyKey?: string | undefined
}

/** The seven APIs for one user. The client keeps the queue token that `join` returned. */
export interface BoxOfficeClient extends AsyncDisposable {
  /** The queue token to send; set by `join`. A host may store it and set it again later. */
  queueToken: string | undefined
  readonly join: (queueId: string) => Promise<JoinedQueue>
  /** The status of the queue token: its state, position and estimated wait. */
  readonly status: (queueId: string) => Promise<QueueTokenStatus>
  readonly leave: (queueId: string) => Promise<void>
  readonly dates: (showId: string) => Promise<AvailableDates>
  readonly seats: (performanceId: string, status?: "available" | "all") => Promise<SeatMap>
  readonly hold: (
    seats: { readonly performanceId: string; readonly seatIds: ReadonlyArray<string> },
    options?: KeyOptions
  ) => Promise<Reservation>
  readonly charge: (amount: Money, options?: KeyOptions) => Promise<Charge>
  readonly balance: () => Promise<Balance>
  readonly pay: (reservationId: string, options?: KeyOptions) => Promise<Payment>
  readonly close: () => Promise<void>
}

/**
 * The client for promises, without Effect. A rejected promise carries the tagged error:
 * `error._tag` and `error.code` tell them apart.
 *
 * @example
 * ```ts
 * import { connect } from "@boxoffice/http-server/client"
 *
 * const tickets = connect({ baseUrl: "http://localhost:3000", userId: "ada" })
 * await tickets.join("main")
 * const { reservationId, amount } = await tickets.hold({ performanceId: "gala-1", seatIds: ["A-1-12"] })
 * await tickets.charge(amount)
 * await tickets.pay(reservationId)
 * await tickets.close()
 * ```
 */
export const connect = (options: ClientOptions): BoxOfficeClient => {
  const runtime = ManagedRuntime.make(FetchHttpClient.layer)
  const made = runtime.runPromise(makeClient(options))
  // Each call awaits the client and rejects with the reason if it failed; this avoids an unhandled
  // rejection before the first call.
  made.catch(() => {})
  type Client = Awaited<typeof made>
  const run = async <A, E>(call: (client: Client) => Effect.Effect<A, E>): Promise<A> =>
    runtime.runPromise(call(await made))
  const token = () => ({ "Queue-Token": client.queueToken ?? "" })
  const key = (options: KeyOptions | undefined) => ({
    "Idempotency-Key": options?.idempotencyKey ?? crypto.randomUUID()
  })

  const client: BoxOfficeClient = {
    queueToken: undefined,
    join: async (queueId) => {
      const joined = await run(({ queue }) => queue.join({ params: { queueId }, headers: {} }))
      client.queueToken = joined.token
      return joined
    },
    status: (queueId) =>
      run(({ queue }) => queue.status({ params: { queueId }, headers: token() })),
    leave: (queueId) => run(({ queue }) => queue.leave({ params: { queueId }, headers: token() })),
    dates: (showId) =>
      run(({ catalog }) => catalog.dates({ params: { showId }, headers: token() })),
    seats: async (performanceId, status = "available") => {
      const request = { params: { performanceId }, query: { status }, headers: token() }
      // The server answers 304 without a body only to If-None-Match, which this request does not
      // send.
      return (await run(({ catalog }) => catalog.seats(request))) as SeatMap
    },
    hold: (payload, options) =>
      run(({ reservations }) =>
        reservations.hold({ payload, headers: { ...token(), ...key(options) } })
      ),
    charge: (payload, options) =>
      run(({ wallet }) => wallet.charge({ payload, headers: { ...token(), ...key(options) } })),
    balance: () => run(({ wallet }) => wallet.balance({ headers: token() })),
    pay: (reservationId, options) =>
      run(({ payments }) =>
        payments.pay({ payload: { reservationId }, headers: { ...token(), ...key(options) } })
      ),
    close: () => runtime.dispose(),
    [Symbol.asyncDispose]: () => runtime.dispose()
  }
  return client
}

export { Api } from "./api/api.ts"

/** UTF-8 as a header carries it: `fetch` accepts one character for each byte. */
const asHeader = (text: string): string => String.fromCharCode(...new TextEncoder().encode(text))
