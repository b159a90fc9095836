/** The readings of the catalogue that are shared for a moment: see `FreshReads.ts`. */
import { Effect } from "effect"
import { BoxOfficeStore, type PerformanceReading, type SeatsReading } from "../BoxOfficeStore.ts"
import { CommittedEvents } from "../engine/CommittedEvents.ts"
import { makeSharedReads, type SharedRead } from "../engine/SharedReads.ts"
import type { PerformanceId, ShowId } from "../Ids.ts"
import { Policies } from "../Policies.ts"
import type { AvailableDates, SeatMap } from "./model.ts"
import { toAvailableDates, toSeatMap, type Until } from "./views.ts"

interface ShowReading {
  readonly now: number
  readonly performances: ReadonlyArray<PerformanceReading>
}

/** A map, and the reading that it was drawn from, or found to be the same in. */
interface Drawn extends Until<SeatMap> {
  readonly reading: SeatsReading
}

const performancesKept = 100
const showsKept = 1_000

export const makeFreshCatalog = Effect.gen(function* () {
  const store = yield* BoxOfficeStore
  const changes = yield* CommittedEvents
  const { catalogMaxAgeMs: freshMs } = yield* Policies
  const seats = yield* makeSharedReads<PerformanceId, SeatsReading | undefined>({
    read: store.seats,
    maxAgeMs: freshMs,
    keep: performancesKept
  })
  const shows = yield* makeSharedReads({
    read: store.performances,
    maxAgeMs: freshMs,
    keep: showsKept
  })
  const showOf = new Map<PerformanceId, ShowId>()

  const forget = (performanceId: PerformanceId, showId = showOf.get(performanceId)): void => {
    seats.invalidate(performanceId)
    // Of a show that was never read, no reading is kept; but one may be on its way.
    if (showId === undefined) shows.invalidateUnderWay()
    else shows.invalidate(showId)
  }
  changes.listen((event) => {
    if ("performanceId" in event) forget(event.performanceId)
  })

  // Drawn once for the seats as they were read, and again when time alone has changed them: a hold
  // has lapsed, or a sale begun or ended. A later reading that found them unchanged is told by
  // `asOf` alone.
  const drawn = new WeakMap<SeatsReading["seats"], { all?: Drawn; available?: Drawn }>()
  const draw = ({ reading, ageMs }: SharedRead<SeatsReading | undefined>, all: boolean) => {
    if (reading === undefined) return undefined
    const now = Math.floor(reading.now + ageMs)
    const maps = drawn.get(reading.seats) ?? {}
    const which = all ? "all" : "available"
    const found = maps[which]
    const stands = found !== undefined && now < found.until
    if (stands && found.reading === reading) return found.view
    const map = stands
      ? { ...found, reading, view: { ...found.view, asOf: new Date(now) } }
      : { ...toSeatMap(reading, now, all), reading }
    drawn.set(reading.seats, { ...maps, [which]: map })
    return map.view
  }

  const listed = new WeakMap<ShowReading, Until<AvailableDates>>()
  const list = (showId: ShowId, { reading, ageMs }: SharedRead<ShowReading | undefined>) => {
    if (reading === undefined) return undefined
    const now = Math.floor(reading.now + ageMs)
    const found = listed.get(reading)
    if (found !== undefined && now < found.until) return found.view
    for (const { performanceId } of reading.performances) showOf.set(performanceId, showId)
    const dates = toAvailableDates(showId, reading.performances, now)
    listed.set(reading, dates)
    return dates.view
  }

  // Each gives the very same object for as long as it is unchanged, so that it can be encoded once.
  return {
    seatMap: (performanceId: PerformanceId, all: boolean) =>
      Effect.map(seats.read(performanceId), (read) => draw(read, all)),
    dates: (showId: ShowId) => Effect.map(shows.read(showId), (read) => list(showId, read)),
    /** What {@link seatMap} would give, where that is in memory. */
    peekSeatMap: (performanceId: PerformanceId, all: boolean) => {
      const read = seats.peek(performanceId)
      return read && draw(read, all)
    },
    peekDates: (showId: ShowId) => {
      const read = shows.peek(showId)
      return read && list(showId, read)
    },
    forget
  }
})
