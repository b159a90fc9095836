/** The behaviour of an admitted user: reads the seat map, holds seats, and pays or leaves. */
import type { BoxOffice, Reservation, SeatMap } from "@boxoffice/core"
import { Effect } from "effect"
import type { Figures } from "./figures.ts"
import type { Sale } from "./sale.ts"

const seatsAtMost = 4
const triesAtMost = 8
/** The maximum time between two actions of a user. */
const thinkSecondsMax = 1
// Most users who hold seats pay; these shares let the hold lapse, or release it.
const abandonShare = 0.08
const releaseShare = 0.04

/** An admitted user and their queue token. */
export interface Shopper {
  readonly userId: string
  readonly queueToken: string
}

/** Tries to hold seats until it succeeds or the tries are used up. Fails if a call fails. */
export const shop = (
  office: BoxOffice["Service"],
  { performanceId }: Sale,
  figures: Figures,
  caller: Shopper,
  random: () => number
) =>
  Effect.gen(function* () {
    const think = Effect.suspend(() => Effect.sleep(random() * thinkSecondsMax * 1_000))
    const wanted = 1 + Math.floor(random() * seatsAtMost)
    for (let tries = 0; tries < triesAtMost; tries++) {
      yield* think
      const map = yield* figures.time(
        "look",
        office.catalog.availableSeats({ ...caller, performanceId })
      )
      const seatIds = chooseSeats(map, wanted, random)
      if (seatIds.length === 0) {
        // Sold out, or held by others: some of these holds may lapse.
        yield* think
        continue
      }
      const held = yield* Effect.result(
        figures.time("hold", office.reservations.hold({ ...caller, performanceId, seatIds }))
      )
      if (held._tag === "Failure") {
        if (held.failure._tag !== "SeatUnavailable") return yield* held.failure
        figures.count("conflict")
        continue
      }
      return yield* payOrLeave(office, figures, caller, held.success, random, think)
    }
    figures.count("gaveUp")
    yield* figures.retryWhenOverloaded(office.queue.leave(caller))
  }).pipe(
    // Too slow: the session ended, and the engine admitted another user.
    Effect.catchTag("QueueTokenExpired", () => Effect.sync(() => figures.count("missed")))
  )

const payOrLeave = (
  office: BoxOffice["Service"],
  figures: Figures,
  caller: Shopper,
  held: Reservation,
  random: () => number,
  think: Effect.Effect<void>
) =>
  Effect.gen(function* () {
    const { reservationId } = held
    yield* think
    const choice = random()
    if (choice < abandonShare) return figures.count("abandoned")
    if (choice < abandonShare + releaseShare) {
      const { userId } = caller
      yield* figures.retryWhenOverloaded(office.reservations.release({ userId, reservationId }))
      yield* figures.retryWhenOverloaded(office.queue.leave(caller))
      return figures.count("released")
    }
    const paying = { ...caller, reservationId, idempotencyKey: `pay-${reservationId}` }
    // Each user tries to pay first, and learns the missing amount from the refusal.
    const first = yield* Effect.result(figures.time("pay", office.payments.pay(paying)))
    if (first._tag === "Success") {
      return figures.violate(`${caller.userId} paid with an empty wallet`)
    }
    if (first.failure._tag !== "InsufficientBalance") return yield* first.failure
    yield* figures.time(
      "charge",
      office.wallet.charge({ ...caller, amount: first.failure.required })
    )
    // Pay twice at the same time with one key: there must be one effect and one response.
    const again = { ...paying, idempotencyKey: `${paying.idempotencyKey}-2` }
    const [one, two] = yield* Effect.all(
      [
        figures.time("pay", office.payments.pay(again)),
        figures.retryWhenOverloaded(office.payments.pay(again))
      ],
      { concurrency: 2 }
    )
    if (one.paymentId !== two.paymentId || one.balance.amount !== two.balance.amount) {
      figures.violate(`one key of ${caller.userId} got two different responses`)
    }
    figures.sell(one.paymentId, held.seats.length)
  }).pipe(Effect.catchTag("HoldExpired", () => Effect.sync(() => figures.count("lapsed"))))

/** Adjacent seats of the map, from the better half of the free ones. */
const chooseSeats = (map: SeatMap, wanted: number, random: () => number): ReadonlyArray<string> => {
  const free = map.seats
  if (free.length === 0) return []
  const from = Math.floor(random() * Math.max(1, free.length / 2))
  return free.slice(from, from + wanted).map((seat) => seat.seatId)
}
