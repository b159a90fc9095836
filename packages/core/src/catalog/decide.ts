/**
 * What may be added to the catalogue. Pure, as the other deciders are.
 *
 * What is there already just so is there, and nothing is done: an operator can run a set-up again.
 * Something else under the same id is refused, since whoever asked for it would not have it.
 */
import { Result } from "effect"
import { RequestInvalid } from "../Errors.ts"
import type { Rows } from "../engine/Rows.ts"
import type { PerformanceId } from "../Ids.ts"
import { QueueNotFound } from "../queue/errors.ts"
import type { SeatRow } from "../reservation/model.ts"
import { AlreadyExists, PerformanceNotFound, ShowNotFound } from "./errors.ts"
import type { NewSeat, Performance, Show, StoredPerformance } from "./model.ts"

/** Whether there is something to add. */
type IsNew = boolean

export const decideAddShow = (
  rows: Rows,
  show: Show
): Result.Result<IsNew, AlreadyExists | QueueNotFound> => {
  const there = rows.shows.get(show.showId)
  if (there !== undefined) return thereAlready("show", isSameShow(there, show))
  return rows.queues.get(show.queueId) === undefined
    ? Result.fail(new QueueNotFound())
    : Result.succeed(true)
}

export const decideAddPerformance = (
  rows: Rows,
  performance: Performance
): Result.Result<IsNew, AlreadyExists | ShowNotFound> => {
  const there = rows.storedPerformances.get(performance.performanceId)
  if (there !== undefined) return thereAlready("performance", isSamePerformance(there, performance))
  return rows.shows.get(performance.showId) === undefined
    ? Result.fail(new ShowNotFound())
    : Result.succeed(true)
}

export interface SeatsToAdd {
  readonly performance: StoredPerformance
  /** Those that are not there yet. */
  readonly seats: ReadonlyArray<NewSeat>
}

/** All of the seats that are missing, or none. `configured` is the currency of wallets. */
export const decideAddSeats = (
  rows: Rows,
  performanceId: PerformanceId,
  seats: ReadonlyArray<NewSeat>,
  configured: string
): Result.Result<SeatsToAdd, AlreadyExists | PerformanceNotFound | RequestInvalid> => {
  const performance = rows.storedPerformances.get(performanceId)
  if (performance === undefined) return Result.fail(new PerformanceNotFound())
  const wrong = wrongPrice(seats, performance.currency, configured)
  if (wrong !== undefined) return Result.fail(new RequestInvalid({ errors: [wrong] }))
  const missing: Array<NewSeat> = []
  for (const seat of seats) {
    const there = rows.seat(performanceId, seat.seatId)
    if (there === undefined) missing.push(seat)
    else if (!isSameSeat(there, seat)) return Result.fail(new AlreadyExists({ kind: "seat" }))
  }
  return Result.succeed({ performance, seats: missing })
}

const thereAlready = (
  kind: AlreadyExists["kind"],
  isSame: boolean
): Result.Result<IsNew, AlreadyExists> =>
  isSame ? Result.succeed(false) : Result.fail(new AlreadyExists({ kind }))

const isSameShow = (a: Show, b: Show): boolean =>
  a.title === b.title &&
  a.queueId === b.queueId &&
  isSameInstant(a.salesOpenAt, b.salesOpenAt) &&
  isSameInstant(a.salesCloseAt, b.salesCloseAt)

const isSamePerformance = (a: Performance, b: Performance): boolean =>
  a.showId === b.showId && a.timeZone === b.timeZone && isSameInstant(a.startsAt, b.startsAt)

/** Whether a seat is what it was added as, whoever has it by now. */
const isSameSeat = (there: SeatRow, seat: NewSeat): boolean =>
  there.section === seat.section &&
  there.row === seat.row &&
  there.number === seat.number &&
  there.price.amount === seat.price.amount &&
  there.price.currency === seat.price.currency &&
  (there.status === "blocked") === (seat.blocked ?? false)

const isSameInstant = (a: Date | null, b: Date | null): boolean => a?.getTime() === b?.getTime()

/**
 * Seats are priced in the currency of their performance, and in one that a buyer can have: wallets
 * are in the configured currency, so that nobody could ever pay for anything else.
 */
const wrongPrice = (
  seats: ReadonlyArray<NewSeat>,
  ofPerformance: string | null,
  configured: string
) => {
  const at = (index: number, message: string) =>
    index < 0 ? undefined : { path: `seats[${index}].price.currency`, message }
  const other = seats.findIndex(
    ({ price }) => ofPerformance !== null && price.currency !== ofPerformance
  )
  const unpayable = seats.findIndex(
    ({ price }) => price.amount > 0n && price.currency !== configured
  )
  return (
    at(other, `expected ${ofPerformance}, the currency of the performance's other seats`) ??
    at(
      unpayable,
      `expected ${configured}, since wallets are in that currency: set the policy \`currency\` (BOXOFFICE_CURRENCY) to sell in another`
    )
  )
}
