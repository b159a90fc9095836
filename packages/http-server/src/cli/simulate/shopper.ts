/** What somebody does who is inside: looks, fights for seats, pays or does not. */
import type { BoxOffice, Reservation, SeatMap } from "@boxoffice/core"
import { Effect } from "effect"
import type { Figures } from "./figures.ts"
import type { Sale } from "./sale.ts"

const seatsAtMost = 4
const triesAtMost = 8
/** How long people look at something before they do the next thing, at the most. */
const thinkSecondsMax = 1
// Of those who hold seats: most pay, some let them lapse, some give them back.
const abandonShare = 0.08
const releaseShare = 0.04

/** Who is inside, and how they prove it. */
export interface Shopper {
  readonly userId: string
  readonly queueToken: string
}

/** Looks and tries until there are seats to pay for, or patience ends. Fails where a call does. */
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
        // Sold out, or held by others: some of those will come back.
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
      return yield* settle(office, figures, caller, held.success, random, think)
    }
    figures.count("gaveUp")
    yield* figures.patiently(office.queue.leave(caller))
  }).pipe(
    // Too slow: the session ended, and the place went to somebody else.
    Effect.catchTag("QueueTokenExpired", () => Effect.sync(() => figures.count("missed")))
  )

const settle = (
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
    const mood = random()
    if (mood < abandonShare) return figures.count("abandoned")
    if (mood < abandonShare + releaseShare) {
      const { userId } = caller
      yield* figures.patiently(office.reservations.release({ userId, reservationId }))
      yield* figures.patiently(office.queue.leave(caller))
      return figures.count("released")
    }
    const paying = { ...caller, reservationId, idempotencyKey: `pay-${reservationId}` }
    // Everybody tries to pay first, and so learns what is missing.
    const first = yield* Effect.result(figures.time("pay", office.payments.pay(paying)))
    if (first._tag === "Success") {
      return figures.violate(`${caller.userId} paid with an empty wallet`)
    }
    if (first.failure._tag !== "InsufficientBalance") return yield* first.failure
    yield* figures.time(
      "charge",
      office.wallet.charge({ ...caller, amount: first.failure.required })
    )
    // An impatient finger: the same payment twice at once. One effect, one answer.
    const again = { ...paying, idempotencyKey: `${paying.idempotencyKey}-2` }
    const [one, two] = yield* Effect.all(
      [
        figures.time("pay", office.payments.pay(again)),
        figures.patiently(office.payments.pay(again))
      ],
      { concurrency: 2 }
    )
    if (one.paymentId !== two.paymentId || one.balance.amount !== two.balance.amount) {
      figures.violate(`one key of ${caller.userId} was answered in two ways`)
    }
    figures.sell(one.paymentId, held.seats.length)
  }).pipe(Effect.catchTag("HoldExpired", () => Effect.sync(() => figures.count("lapsed"))))

/** Seats side by side on the map, somewhere in the better half of what is left. */
const chooseSeats = (map: SeatMap, wanted: number, random: () => number): ReadonlyArray<string> => {
  const free = map.seats
  if (free.length === 0) return []
  const from = Math.floor(random() * Math.max(1, free.length / 2))
  return free.slice(from, from + wanted).map((seat) => seat.seatId)
}
