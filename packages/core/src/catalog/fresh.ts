/** The readings of the catalogue that are shared for a moment: see `FreshReads.ts`. */
import { Effect } from "effect"
import { LocalChanges } from "../Changes.ts"
import { makeFreshReads } from "../FreshReads.ts"
import type { PerformanceId, ShowId } from "../Ids.ts"
import { Policies } from "../Policies.ts"
import { BoxOfficeStore, type SeatsReading } from "../Store.ts"
import { type SeatMapUntil, toSeatMap } from "./views.ts"

const performancesKept = 100
const showsKept = 1_000

export const makeFreshCatalog = Effect.gen(function* () {
  const store = yield* BoxOfficeStore
  const changes = yield* LocalChanges
  const { catalogFreshMs: freshMs } = yield* Policies
  const seats = yield* makeFreshReads({ read: store.seats, freshMs, keep: performancesKept })
  const shows = yield* makeFreshReads({ read: store.performances, freshMs, keep: showsKept })
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

  // Drawn once for a reading, and again when a hold in it has lapsed.
  const drawn = new WeakMap<SeatsReading, { all?: SeatMapUntil; available?: SeatMapUntil }>()
  const draw = (read: SeatsReading, now: number, all: boolean) => {
    const maps = drawn.get(read) ?? {}
    const which = all ? "all" : "available"
    const found = maps[which]
    if (found !== undefined && now < found.until) return found.map
    const map = toSeatMap(read, now, all)
    drawn.set(read, { ...maps, [which]: map })
    return map.map
  }

  return {
    /** The very same object for as long as it is unchanged, so that it can be encoded once. */
    seatMap: (performanceId: PerformanceId, all: boolean) =>
      Effect.map(seats.read(performanceId), ({ reading, ageMs }) =>
        reading === undefined ? undefined : draw(reading, Math.floor(reading.now + ageMs), all)
      ),
    performances: (showId: ShowId) =>
      Effect.map(shows.read(showId), ({ reading, ageMs }) => {
        for (const { performanceId } of reading?.performances ?? [])
          showOf.set(performanceId, showId)
        return reading && { ...reading, now: Math.floor(reading.now + ageMs) }
      }),
    forget: ({ performanceId, showId }: { performanceId: PerformanceId; showId: ShowId }) =>
      forget(performanceId, showId)
  }
})
