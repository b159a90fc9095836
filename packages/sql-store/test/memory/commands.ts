/** Commands of the engine, and how an engine over either store runs them. */
import { BoxOffice, type QueueId, sweep } from "@boxoffice/core"
import { testId } from "@boxoffice/core/testing"
import { Effect, Schema } from "effect"
import type { Side } from "./sides.ts"

const below = (n: number) => Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: n - 1 }))
const user = below(4)
const which = Schema.Literals([0, 0, 0, 1, 2])
/** Mostly, so that others are refused now and then. */
const isOwn = Schema.Literals([true, true, true, false])

export const Command = Schema.Union([
  Schema.TaggedStruct("join", { user, hasCode: Schema.Boolean }),
  Schema.TaggedStruct("join", { user, hasCode: Schema.Boolean }),
  Schema.TaggedStruct("leave", { user }),
  Schema.TaggedStruct("advance", {}),
  Schema.TaggedStruct("mode", { mode: Schema.Literals(["open", "open", "paused", "draining"]) }),
  Schema.TaggedStruct("configure", { maxActive: Schema.Literals([1, 3]) }),
  Schema.TaggedStruct("hold", { user, first: below(5), seats: Schema.Literals([1, 2]) }),
  Schema.TaggedStruct("hold", { user, first: below(5), seats: Schema.Literals([1, 2]) }),
  Schema.TaggedStruct("release", { which, isOwn }),
  Schema.TaggedStruct("charge", { user, amount: Schema.Literals([1, 10, 25]) }),
  Schema.TaggedStruct("pay", { which, isOwn }),
  Schema.TaggedStruct("pay", { which, isOwn }),
  Schema.TaggedStruct("pay", { which, isOwn }),
  Schema.TaggedStruct("refund", { which }),
  Schema.TaggedStruct("repeat", {}),
  Schema.TaggedStruct("add seats", { from: below(8), seats: Schema.Literals([1, 3]) }),
  Schema.TaggedStruct("tick", { ms: Schema.Literals([240_000, 660_000]) }),
  Schema.TaggedStruct("sweep", {}),
  Schema.TaggedStruct("be seen", { user }),
  Schema.TaggedStruct("consume", { limit: Schema.Literals([1, 3, 50]), stops: Schema.Boolean }),
  Schema.TaggedStruct("reset", { to: Schema.Literals(["beginning", "now"]) }),
  Schema.TaggedStruct("prune", {}),
  Schema.TaggedStruct("park", { event: below(4), aggregate: below(2) }),
  Schema.TaggedStruct("refuse", { event: below(4), isLast: Schema.Boolean }),
  Schema.TaggedStruct("accept", { event: below(4) }),
  Schema.TaggedStruct("redeliver", {}),
  Schema.TaggedStruct("discard", {}),
  Schema.TaggedStruct("clear", {})
])
export type Command = typeof Command.Type

export const queueId = "main" as QueueId
export const performanceId = "gala-1"
export const endpoint = "https://example.org/hook"
export const consumer = "all"
export const userOf = (n: number): string => `user-${n}`
const owner = testId(999)
const currency = "KRW"
const longAgoMs = 360_000

const seat = (n: number) => ({
  seatId: `S${n}`,
  section: "A",
  row: "1",
  number: `${n}`,
  price: { amount: 7n, currency }
})

/** Durations are whole minutes and a minute or more from any sum of ticks, so that the speed of the test decides nothing. */
const settings = {
  maxActive: 2,
  admitPerMinute: 2,
  claimSeconds: 180,
  sessionSeconds: 780,
  prioritySharePercent: 50,
  absenceSeconds: 300
}

export const prepare = (side: Side) =>
  Effect.gen(function* () {
    const { queue, catalog } = yield* BoxOffice
    yield* queue.create({ queueId, settings })
    yield* queue.addCodes({ queueId, codes: ["open-sesame"], uses: 3 })
    const sales = { salesOpenAt: null, salesCloseAt: null }
    yield* catalog.addShow({ showId: "gala", title: "Gala", queueId, ...sales })
    const startsAt = new Date("2100-01-01T10:00:00Z")
    const gala = { performanceId, showId: "gala", startsAt, timeZone: "Asia/Seoul" }
    yield* catalog.addPerformance(gala)
    yield* catalog.addSeats({ performanceId, seats: [0, 1, 2, 3, 4].map(seat) })
    const lease = { consumer, owner, leaseMs: 1_000, from: "beginning" } as const
    yield* side.store.outbox.takeLease(lease)
    const { wallet } = yield* BoxOffice
    for (const n of [0, 1, 2, 3]) {
      const idempotencyKey = `first-charge-of-user-${n}`
      yield* wallet.charge({ userId: userOf(n), amount: { amount: 40n, currency }, idempotencyKey })
    }
  }).pipe(Effect.provideContext(side.context), Effect.orDie)

const nothingMade = { reservationId: testId(1), user: 0 }

/** Notes what later commands name: tokens, reservations and payments. */
export const remember = (side: Side, command: Command, answer: unknown): void => {
  if (command._tag === "join") {
    side.tokens.set(command.user, (answer as { readonly token: string }).token)
  } else if (command._tag === "hold") {
    const { reservationId } = answer as { readonly reservationId: string }
    side.reservations.push({ reservationId, user: command.user })
  } else if (command._tag === "pay") {
    side.payments.push((answer as { readonly paymentId: string }).paymentId)
  }
}

/** Runs the command of a number on one side. Gives what it answered. */
export const runCommand = (
  side: Side,
  command: Command,
  number: number,
  key = `key-${String(number).padStart(20, "0")}`
): Effect.Effect<unknown, unknown> =>
  Effect.gen(function* () {
    const { queue, reservations, wallet, payments, catalog } = yield* BoxOffice
    const { outbox, deliveries } = side.store
    const caller = (n: number) => ({
      userId: userOf(n),
      queueToken: side.tokens.get(n),
      idempotencyKey: key
    })
    /** One of the latest reservations, and its user or another one. */
    const made = ({ which, isOwn }: { readonly which: number; readonly isOwn: boolean }) => {
      const { reservationId, user } = side.reservations.at(-1 - which) ?? nothingMade
      return { reservationId, user: isOwn ? user : (user + 1) % 4 }
    }
    switch (command._tag) {
      case "join": {
        const code = command.hasCode ? "open-sesame" : undefined
        const userId = userOf(command.user)
        return yield* queue.join({ queueId, userId, code, idempotencyKey: key })
      }
      case "leave":
        return yield* queue.leave({
          userId: userOf(command.user),
          queueToken: side.tokens.get(command.user) ?? ""
        })
      case "advance":
        return yield* queue.advance(queueId)
      case "mode":
        return yield* queue.setMode(queueId, command.mode, { idempotencyKey: key })
      case "configure":
        return yield* queue.configure(queueId, { maxActive: command.maxActive })
      case "hold": {
        const seatIds = Array.from({ length: command.seats }, (_, i) => `S${command.first + i}`)
        return yield* reservations.hold({ ...caller(command.user), performanceId, seatIds })
      }
      case "release": {
        const { reservationId, user } = made(command)
        return yield* reservations.release({ userId: userOf(user), reservationId })
      }
      case "charge": {
        const amount = { amount: BigInt(command.amount), currency }
        return yield* wallet.charge({ ...caller(command.user), amount })
      }
      case "pay": {
        const { reservationId, user } = made(command)
        return yield* payments.pay({ ...caller(user), reservationId })
      }
      case "refund": {
        const paymentId = side.payments.at(-1 - command.which) ?? testId(1)
        return yield* payments.refund({ paymentId, idempotencyKey: key })
      }
      case "add seats": {
        const seats = Array.from({ length: command.seats }, (_, i) => seat(command.from + i))
        return yield* catalog.addSeats({ performanceId, seats })
      }
      case "tick":
        return yield* side.pass(command.ms)
      case "sweep":
        return yield* sweep
      case "be seen": {
        const seen = new Uint8Array(512)
        seen[0] = 1 << (command.user + 1)
        return yield* side.store.markSeen(queueId, [{ lane: "general", block: 0, seen }])
      }
      case "consume": {
        const lease = { consumer, owner, leaseMs: 1_000 }
        const bookmark = yield* outbox.takeLease({ ...lease, from: "beginning" })
        if (typeof bookmark === "string") return bookmark
        const page = yield* outbox.read(bookmark.cursor, command.limit)
        if (page === "interrupted") return page
        const stopped = { cursor: page.from, position: page.batches.length > 0 ? 1 : 0 }
        const next = command.stops ? stopped : { cursor: page.next, position: 0 }
        const saved = yield* outbox.save({ ...lease, bookmark: next, since: page.at })
        const ids = page.batches.map(({ batchId }) => batchId)
        return { position: bookmark.position, ids, more: page.more, saved }
      }
      case "reset":
        return yield* outbox.reset(consumer, command.to)
      case "prune":
        return yield* outbox.prune(longAgoMs, 2)
      case "park":
        return yield* deliveries.park(endpoint, {
          eventId: `event-${command.event}`,
          aggregate: `aggregate-${command.aggregate}`,
          body: "{}",
          attempts: 1,
          delayMs: command.event % 2 === 0 ? 0 : 120_000,
          error: null
        })
      case "refuse":
        return yield* deliveries.refused(endpoint, `event-${command.event}`, {
          attempts: 2,
          delayMs: command.isLast ? null : 0,
          error: "HTTP 500"
        })
      case "accept":
        return yield* deliveries.accepted(endpoint, `event-${command.event}`)
      case "redeliver":
        return yield* deliveries.redeliver(endpoint, undefined)
      case "discard":
        return yield* deliveries.discard(endpoint, ["event-0", "event-1"])
      case "clear":
        return [
          yield* side.store.clearTokens(longAgoMs, 2),
          yield* side.store.clearReservations(longAgoMs, 2),
          yield* side.store.clearOutcomes(longAgoMs, 2),
          yield* deliveries.clear(longAgoMs, 2)
        ]
      case "repeat":
        return "the command before, again"
    }
  }).pipe(Effect.provideContext(side.context)) as Effect.Effect<unknown, unknown>
