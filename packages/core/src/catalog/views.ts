/** Makes the seat maps and dates that users see from the readings of the store. Pure. */

import type { PerformanceReading, SeatsReading } from "../BoxOfficeStore.ts"
import type { PerformanceId, ShowId } from "../Ids.ts"
import { type SeatRow, seatStatusAt } from "../reservation/model.ts"
import {
  type AvailableDates,
  isOnSale,
  type PerformanceRow,
  type SeatMap,
  type SeatOnMap
} from "./model.ts"

type Bookable = AvailableDates["dates"][number]["performances"][number]

// Making one takes many times as long as using it, and the performances of a show share a zone.
let formatter: Intl.DateTimeFormat | undefined
let zone: string | undefined

const localDate = (instant: number, timeZone: string): string => {
  // The Swedish locale writes dates as ISO 8601 does.
  if (formatter === undefined || zone !== timeZone) {
    formatter = new Intl.DateTimeFormat("sv-SE", { timeZone, dateStyle: "short" })
    zone = timeZone
  }
  return formatter.format(instant)
}

/** A view, and the instant until which it is valid if no row changes. */
export interface Until<A> {
  readonly view: A
  readonly until: number
}

/** The dates of a show with a bookable seat, by the local date of each performance. */
export const toAvailableDates = (
  showId: ShowId,
  performances: ReadonlyArray<PerformanceReading>,
  now: number
): Until<AvailableDates> => {
  const dates = new Map<string, Array<Bookable>>()
  for (const performance of performances) {
    const { performanceId, startsAt, timeZone, availableSeats, totalSeats, priceFrom } = performance
    if (priceFrom === null || !isOnSale(performance, now)) continue
    const date = localDate(startsAt, timeZone)
    const bookable = {
      performanceId,
      startsAt: new Date(startsAt),
      timeZone,
      availableSeats,
      totalSeats,
      priceFrom
    }
    dates.set(date, [...(dates.get(date) ?? []), bookable])
  }
  const listed = Array.from(dates, ([date, performances]) => ({ date, performances }))
  return {
    view: { showId, dates: listed.sort((a, b) => (a.date < b.date ? -1 : 1)) },
    until: Math.min(...performances.map((performance) => nextSalesChange(performance, now)))
  }
}

/** The seats of a performance at an instant: all, or the bookable ones. */
export const toSeatMap = (read: SeatsReading, now: number, all: boolean): Until<SeatMap> => {
  const { performance } = read
  const onSale = isOnSale(performance, now)
  const seats: Array<SeatOnMap> = []
  let lapsed = 0
  let until = nextSalesChange(performance, now)
  for (const row of read.seats) {
    const status = seatStatusAt(row, now)
    if (status !== row.status) lapsed++
    else if (status === "held" && row.heldUntil !== null) until = Math.min(until, row.heldUntil)
    const shown = status === "available" && !onSale ? "blocked" : status
    if (all || shown === "available") seats.push(toSeatOnMap(row, shown))
  }
  return {
    view: {
      performanceId: performance.performanceId as PerformanceId,
      // The version grows with each change. A batch that changes n seats raises the stored version
      // by 2n, and lowers the number of lapsed holds by at most n. The opening and closing of sales
      // count as changes, too.
      version: read.version + lapsed + salesChanges(performance, now),
      asOf: new Date(now),
      seats
    },
    until
  }
}

type Sales = Pick<PerformanceRow, "startsAt" | "salesOpenAt" | "salesCloseAt">

const salesInstants = ({ startsAt, salesOpenAt, salesCloseAt }: Sales) => [
  ...(salesOpenAt === null ? [] : [salesOpenAt]),
  Math.min(startsAt, salesCloseAt ?? startsAt)
]

const salesChanges = (performance: Sales, now: number): number =>
  salesInstants(performance).filter((instant) => instant <= now).length

const nextSalesChange = (performance: Sales, now: number): number =>
  Math.min(...salesInstants(performance).filter((instant) => instant > now))

const toSeatOnMap = (row: SeatRow, status: SeatOnMap["status"]): SeatOnMap => ({
  seatId: row.seatId,
  section: row.section,
  row: row.row,
  number: row.number,
  price: row.price,
  status
})
