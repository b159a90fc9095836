/** A small history in which everything is right, for tests that break one thing of it. */
import type { EventFact, Facts } from "../../src/histories/facts.ts"
import type { Call, Delivered, History, Message } from "../../src/histories/history.ts"

/** What a test may change. */
export interface House extends History {
  readonly calls: Array<Call>
  readonly messages: Array<Message>
  readonly deliveries: Array<Delivered>
  readonly facts: { -readonly [Table in keyof Facts]: Array<Facts[Table][number]> }
}

let calls = 0
let now = 0

/** One call after another: each takes a millisecond, and the next begins 10 s later. */
export const call = (given: Partial<Call> & Pick<Call, "operation" | "user">): Call => {
  now += 10_000
  return {
    call: ++calls,
    client: given.user,
    node: "server-1",
    input: {},
    outcome: "ok",
    invokedAt: now,
    endedAt: now + 1,
    ...given
  }
}

const at = 1_900_000_000_000
export const event = (batch: number, event: object): EventFact => ({
  batch,
  position: 1,
  event: { at: at + batch * 10_000, ...event }
})
const token = (user: string) => ({ tokenId: `token-${user}`, queueId: "main", userId: user })
const held = { reservationId: "r1", performanceId: "gala", userId: "ada" }
const settings = { maxActive: 1, admitPerMinute: 60 }

/** Ada buys A1, and is paid back, while Bob and Cyd wait; then Bob is admitted. */
export const rightHistory = (): House => {
  calls = 0
  now = 0
  const queueId = "main"
  const join = (user: string, state: string, position: number) =>
    call({
      operation: "join",
      user,
      input: { queueId },
      result: { state, position, tokenId: `token-${user}` }
    })
  const poll = (user: string, state: string, position: number) =>
    call({
      operation: "poll",
      user,
      input: { queueId, tokenId: `token-${user}` },
      result: { state, position }
    })
  const balance = (balance: number) =>
    call({ operation: "balance", user: "ada", result: { balance } })
  const seats = (free: Array<string>, taken: object) =>
    call({
      operation: "seats",
      user: "ada",
      input: { performanceId: "gala" },
      result: { version: 1, asOf: at, free, taken }
    })
  const reservation = (status: string) =>
    call({
      operation: "reservation",
      user: "ada",
      input: { reservationId: "r1" },
      result: { reservationId: "r1", status, amount: 100, seats: ["A1"] }
    })
  const history: House = {
    run: {
      seed: 1,
      nodes: ["server-1", "server-2"],
      consumers: ["consumer"],
      timeoutMs: 60_000,
      holdSeconds: 300,
      startedAt: "2030-01-01T00:00:00.000Z",
      tls: false,
      pooled: []
    },
    calls: [
      join("ada", "admitted", 0),
      join("bob", "waiting", 1),
      join("cyd", "waiting", 2),
      call({
        operation: "hold",
        user: "ada",
        key: "k1",
        input: { performanceId: "gala", seatIds: ["A1"] },
        result: { reservationId: "r1", status: "held", amount: 100, seats: ["A1"] }
      }),
      call({
        operation: "charge",
        user: "ada",
        key: "k2",
        input: { amount: 500 },
        result: { transferId: "t1", balance: 500 }
      }),
      balance(500),
      seats(["A2"], { A1: "held" }),
      call({
        operation: "pay",
        user: "ada",
        key: "k3",
        input: { reservationId: "r1" },
        result: { transferId: "t2", reservationId: "r1", amount: 100, balance: 400 }
      }),
      reservation("confirmed"),
      balance(400),
      poll("bob", "admitted", 0),
      poll("cyd", "waiting", 1),
      call({
        operation: "refund",
        user: "ada",
        key: "k4",
        input: { paymentId: "t2" },
        result: { transferId: "t3", reservationId: "r1", amount: 100, balance: 500 }
      }),
      balance(500),
      reservation("cancelled"),
      seats(["A1", "A2"], {})
    ],
    messages: [],
    faults: [],
    hasEnd: true,
    deliveries: [],
    progress: [
      { progress: "server-1 is ready", at: now, tookMs: 10, limitMs: 1_000, reached: true }
    ],
    facts: {
      transfers: [
        transfer("t1", "charge", 500, 500, 1, null),
        transfer("t2", "payment", -100, 400, 2, "r1"),
        transfer("t3", "refund", 100, 500, 3, "r1")
      ],
      wallets: [{ user: "ada", balance: 500, version: 3 }],
      reservations: [
        {
          id: "r1",
          user: "ada",
          performance: "gala",
          seats: ["A1"],
          amount: 100,
          status: "cancelled",
          payment: "t2"
        }
      ],
      seats: ["A1", "A2"].map((seat) => ({
        performance: "gala",
        seat,
        status: "available",
        reservation: null
      })),
      tokens: [
        tokenRow("ada", 1, "completed"),
        tokenRow("bob", 2, "admitted"),
        tokenRow("cyd", 3, "waiting")
      ],
      queues: [{ id: "main", mode: "open", ...settings }],
      events: [
        event(1, { _tag: "QueueCreated", queueId, settings }),
        { ...event(1, { _tag: "QueueCodesAdded", queueId, codes: 1, uses: 1 }), position: 2 },
        event(2, { _tag: "QueueTokenIssued", ...token("ada"), number: "1" }),
        event(3, { _tag: "QueueTokenAdmitted", ...token("ada") }),
        event(4, { _tag: "QueueTokenIssued", ...token("bob"), number: "2" }),
        event(5, { _tag: "QueueTokenIssued", ...token("cyd"), number: "3" }),
        event(6, {
          _tag: "SeatsHeld",
          ...held,
          seats: [{ seatId: "A1" }],
          amount: { amount: "100", currency: "KRW" },
          holdExpiresAt: at + 300_000
        }),
        event(7, { _tag: "WalletCharged", userId: "ada", amount: { amount: "500" } }),
        event(8, { _tag: "ReservationPaid", ...held }),
        event(9, { _tag: "QueueTokenCompleted", ...token("ada") }),
        event(10, { _tag: "QueueTokenAdmitted", ...token("bob") }),
        event(11, { _tag: "PaymentRefunded", ...held })
      ],
      due: [{ batch: 11 }],
      verified: [{ invariant: "I4", meaning: "no wallet is negative", violations: 0 }],
      log: [{ text: "deadlock detected", count: 0 }]
    }
  }
  deliverAll(history)
  return history
}

export const transfer = (
  id: string,
  kind: "charge" | "payment" | "refund",
  amount: number,
  balance: number,
  version: number,
  reservation: string | null
) => ({ id, kind, user: "ada", amount, balance, version, reservation })

const tokenRow = (user: string, number: number, state: string) => ({
  id: `token-${user}`,
  queue: "main",
  user,
  lane: "general",
  number,
  state
})

const deliverAll = (history: House) => {
  for (const row of history.facts.events) deliver(history, row, 0)
}

export const deliver = (history: House, { batch, position, event }: EventFact, at: number) => {
  history.deliveries.push({
    delivered: "consumer",
    at,
    id: `${batch}-${position}`,
    aggregate: event.tokenId ?? event.reservationId ?? event.userId ?? event.queueId,
    type: event._tag
  })
}

/** The calls, rows and events of a history that a test looks for. */
export const find = {
  call: (history: House, operation: string, nth = 0): Call =>
    history.calls.filter((call) => call.operation === operation)[nth]!,
  event: (history: House, tag: string, nth = 0): EventFact =>
    history.facts.events.filter(({ event }) => event._tag === tag)[nth]!
}

export const replaceCall = (history: House, old: Call, change: Partial<Call>): void => {
  history.calls[history.calls.indexOf(old)] = { ...old, ...change }
}
