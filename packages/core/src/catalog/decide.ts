/**
 * Rules for adding shows, performances and seats. Pure.
 *
 * Adding an item that exists with the same values succeeds and does nothing, so an operator can run
 * a set-up script again. If the existing item has other values, the addition is refused, since the
 * operator would not get what they asked for.
 */
import { Result } from "effect"
import { RequestInvalid } from "../Errors.ts"
import type { Rows } from "../engine/Rows.ts"
import type { PerformanceId } from "../Ids.ts"
import { QueueNotFound } from "../queue/errors.ts"
import type { SeatRow } from "../reservation/model.ts"
import { AlreadyExists, PerformanceNotFound, ShowNotFound } from "./errors.ts"
import type { NewSeat, Performance, Show, StoredPerformance } from "./model.ts"

/** Whether the item is new, so that the batch must add it. */
type IsNew = boolean

export const decideAddShow = (
  rows: Rows,
  show: Show
): Result.Result<IsNew, AlreadyExists | QueueNotFound> => {
  const existing = rows.shows.get(show.showId)
  if (existing !== undefined) return existingUnchanged("show", isSameShow(existing, show))
  return rows.queues.get(show.queueId) === undefined
    ? Result.fail(new QueueNotFound())
    : Result.succeed(true)
}

export const decideAddPerformance = (
  rows: Rows,
  performance: Performance
): Result.Result<IsNew, AlreadyExists | ShowNotFound> => {
  const existing = rows.storedPerformances.get(performance.performanceId)
  if (existing !== undefined) {
    return existingUnchanged("performance", isSamePerformance(existing, performance))
  }
  return rows.shows.get(performance.showId) === undefined
    ? Result.fail(new ShowNotFound())
    : Result.succeed(true)
}

export interface SeatsToAdd {
  readonly performance: StoredPerformance
  /** The seats that do not exist yet. */
  readonly seats: ReadonlyArray<NewSeat>
}

/**
 * The seats that do not exist yet; all can be added, or none. `configured` is the currency of
 * wallets.
 */
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
    const existing = rows.seat(performanceId, seat.seatId)
    if (existing === undefined) missing.push(seat)
    else if (!isSameSeat(existing, seat)) return Result.fail(new AlreadyExists({ kind: "seat" }))
  }
  return Result.succeed({ performance, seats: missing })
}

const existingUnchanged = (
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

/**
 * Whether a seat was added with the same values. It does not matter whether it is held or sold now.
 */
const isSameSeat = (existing: SeatRow, seat: NewSeat): boolean =>
  existing.section === seat.section &&
  existing.row === seat.row &&
  existing.number === seat.number &&
  existing.price.amount === seat.price.amount &&
  existing.price.currency === seat.price.currency &&
  (existing.status === "blocked") === (seat.blocked ?? false)

const isSameInstant = (a: Date | null, b: Date | null): boolean => a?.getTime() === b?.getTime()

/**
 * The problem with the prices of new seats, if there is one. A seat must have the currency of its
 * performance, and that of wallets: no user could ever pay for a seat in another currency. Free
 * seats may have any.
 */
const wrongPrice = (
  seats: ReadonlyArray<NewSeat>,
  ofPerformance: string | null,
  configured: string
) => {
  const at = (index: number, message: string) =>
    index < 0 ? undefined : { path: `seats[${index}].price.currency`, message }
  const other = seats.findIndex(
    // Guard seat-currency: with "false" for "ofPerf…!== ofPerformance", conformance.test "have one currency" fails.
    ({ price }) => ofPerformance !== null && price.currency !== ofPerformance
  )
  const unpayable = seats.findIndex(
    // Guard seat-payable: with "false" for "price.amount…configured", conformance.test "have one currency" fails.
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
