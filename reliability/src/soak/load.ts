/**
 * The visitors of the soak: as many at any time, so that the load is the same on a fast machine and on
 * a slow one. A visit joins the queue, waits, looks, holds, and then pays, releases, or is gone without
 * a word. What was paid is refunded after a while, so that there are always seats to sell.
 */
import { randomUUID } from "node:crypto"

export interface Load {
  /** Latencies by operation, and answers by operation and code, since the last call. */
  readonly take: () => Taken
  /** Begins no more visits, and waits for those that are on, and for the refunds. */
  readonly stop: () => Promise<void>
}

export interface Taken {
  readonly latencies: Readonly<Record<string, ReadonlyArray<number>>>
  readonly codes: Readonly<Record<string, number>>
}

export interface LoadOptions {
  readonly urls: ReadonlyArray<string>
  readonly adminToken: string
  readonly visitors: number
  /** After how long a payment is refunded. */
  readonly refundAfterMs: number
  readonly queueId: string
  readonly showId: string
  readonly performanceId: string
  readonly seats: number
  readonly users: number
}

/** What the load reads of an answer, whichever it is of. */
interface Body {
  readonly code?: string
  readonly token?: string
  readonly state?: string
  readonly reservationId?: string
  readonly paymentId?: string
  readonly amount?: unknown
}

interface Answer {
  readonly status: number
  readonly body: Body
}

const second = 1_000
const price = 5_000

export const startLoad = (options: LoadOptions): Load => {
  const { urls, queueId, showId, performanceId, seats, users, visitors } = options
  let latencies: Record<string, Array<number>> = {}
  let codes: Record<string, number> = {}
  let stopping = false
  let sent = 0
  const refunds = new Set<Promise<unknown>>()

  const call = async (
    operation: string,
    method: string,
    path: string,
    headers: Readonly<Record<string, string>>,
    payload?: unknown
  ): Promise<Answer> => {
    const begun = performance.now()
    let code = "unreachable"
    try {
      const response = await fetch(`${urls[sent++ % urls.length]}${path}`, {
        method,
        headers:
          payload === undefined ? headers : { ...headers, "content-type": "application/json" },
        body: payload === undefined ? null : JSON.stringify(payload),
        signal: AbortSignal.timeout(60 * second)
      })
      const text = await response.text()
      const body: Body = text === "" ? {} : JSON.parse(text)
      code = response.ok ? "ok" : (body.code ?? String(response.status))
      return { status: response.status, body }
    } catch {
      return { status: 0, body: {} }
    } finally {
      latencies[operation] ??= []
      latencies[operation].push(performance.now() - begun)
      const key = `${operation} ${code}`
      codes[key] = (codes[key] ?? 0) + 1
    }
  }

  const admin = { authorization: `Bearer ${options.adminToken}` }
  const key = () => ({ "idempotency-key": randomUUID() })

  const buy = async (user: Record<string, string>, hold: Answer): Promise<void> => {
    const { reservationId } = hold.body
    const dice = Math.random()
    if (dice < 0.15) return // The hold lapses.
    if (dice < 0.25) {
      await call("release", "DELETE", `/v1/reservations/${reservationId}`, user)
      return
    }
    await sleep(Math.random() * second)
    await call("charge", "POST", "/v1/wallet/charges", { ...user, ...key() }, hold.body.amount)
    const once = key()
    const paid = await call("pay", "POST", "/v1/payments", { ...user, ...once }, { reservationId })
    // Some clients miss the answer, and ask again.
    if (dice < 0.3)
      await call("pay", "POST", "/v1/payments", { ...user, ...once }, { reservationId })
    if (paid.status >= 300 || paid.status === 0) return
    const { paymentId } = paid.body
    const refund = sleep(options.refundAfterMs).then(() =>
      call("refund", "POST", `/v1/admin/payments/${paymentId}/refund`, { ...admin, ...key() })
    )
    refunds.add(refund)
    void refund.finally(() => refunds.delete(refund))
  }

  const visit = async (userId: string): Promise<void> => {
    const path = `/v1/queues/${queueId}/token`
    const joined = await call("join", "POST", path, { "x-user-id": userId, ...key() })
    if (joined.status >= 300 || joined.status === 0) return
    const user = { "x-user-id": userId, "queue-token": joined.body.token! }
    let { state } = joined.body
    while (state === "waiting") {
      const dice = Math.random()
      if (dice < 0.005) return // Gone without a word.
      if (dice < 0.01) {
        await call("leave", "DELETE", path, user)
        return
      }
      await sleep(second + Math.random() * second)
      const polled = await call("poll", "GET", path, user)
      if (polled.status !== 200) return
      state = polled.body.state
    }
    if (state !== "admitted") return
    if (Math.random() < 0.05) return // The session lapses.
    await call("dates", "GET", `/v1/shows/${showId}/dates`, user)
    await call("seats", "GET", `/v1/performances/${performanceId}/seats`, user)
    for (let attempt = 0; attempt < 3; attempt++) {
      const first = Math.floor(Math.random() * (seats - 2))
      const seatIds = Array.from(
        { length: 1 + Math.floor(Math.random() * 2) },
        (_, i) => `S${first + i}`
      )
      const input = { performanceId, seatIds }
      const hold = await call("hold", "POST", "/v1/reservations", { ...user, ...key() }, input)
      if (hold.status === 201) return await buy(user, hold)
      if (hold.body.code !== "seat_unavailable") return
    }
    await call("leave", "DELETE", path, user)
  }

  let next = 0
  const visitor = async (): Promise<void> => {
    while (!stopping) {
      await visit(`user-${next++ % users}`)
      await sleep(Math.random() * second)
    }
  }
  const visiting = Promise.all(Array.from({ length: visitors }, visitor))

  return {
    take: () => {
      const taken = { latencies, codes }
      latencies = {}
      codes = {}
      return taken
    },
    stop: async () => {
      stopping = true
      await visiting
      await Promise.all(refunds)
    }
  }
}

export const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))

/** Puts one performance on sale behind the queue. */
export const putOnSale = async (options: LoadOptions): Promise<void> => {
  const { urls, adminToken, queueId, showId, performanceId, seats } = options
  const post = async (path: string, payload: unknown) => {
    const response = await fetch(`${urls[0]}/v1/admin${path}`, {
      method: "POST",
      headers: { authorization: `Bearer ${adminToken}`, "content-type": "application/json" },
      body: JSON.stringify(payload)
    })
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`)
  }
  await post("/queues", {
    queueId,
    // Fewer inside than there are visitors: there is a line at any time.
    settings: {
      ...{ maxActive: Math.ceil(options.visitors / 3), claimSeconds: 10 },
      ...{ sessionSeconds: 20, absenceSeconds: 20 }
    }
  })
  await post("/shows", { showId, title: "Soak", queueId })
  await post(`/shows/${showId}/performances`, {
    performanceId,
    startsAt: "2999-12-31T10:30:00.000Z",
    timeZone: "Asia/Seoul"
  })
  await post(`/performances/${performanceId}/seats`, {
    seats: Array.from({ length: seats }, (_, i) => ({
      seatId: `S${i}`,
      section: "Stalls",
      row: String(Math.floor(i / 40)),
      number: String(i % 40),
      price: { amount: price, currency: "KRW" }
    }))
  })
}
