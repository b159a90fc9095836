/**
 * Seat maps and dates in the memory of a node, shared by the users who ask for them.
 *
 * Holds: the readings of up to 100 performances' seats and 1,000 shows (see
 * `engine/SharedReads.ts`), and the views made from them. The reading that was read longest ago
 * goes first, and its views with it.
 *
 * Refresh: on demand, once a reading is `catalogMaxAgeMs` old, or at once after this node has
 * committed an event of the performance. While the store is down, a reading is given until it is
 * `staleIfStoreDownMs` old. A view is made again when its reading changed, or when
 * time alone has changed it: a hold lapsed, or sales opened or closed.
 */
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

/** A seat map, and the last reading that it is valid for. */
interface CachedMap extends Until<SeatMap> {
  readonly reading: SeatsReading
}

const performancesKept = 100
const showsKept = 1_000

/** Makes the shared reads of the catalogue. */
export const makeCatalogReads = Effect.gen(function* () {
  const store = yield* BoxOfficeStore
  const committed = yield* CommittedEvents
  const { catalogMaxAgeMs: maxAgeMs, staleIfStoreDownMs } = yield* Policies
  const seats = yield* makeSharedReads<PerformanceId, SeatsReading | undefined>({
    read: store.seats,
    maxAgeMs,
    staleIfStoreDownMs,
    keep: performancesKept
  })
  const showOf = new Map<PerformanceId, ShowId>()
  const shows = yield* makeSharedReads({
    // Noted with the reading, whether or not the caller still waits for it: `forget` needs the show.
    read: (showId: ShowId) =>
      Effect.tap(store.performances(showId), (reading) =>
        Effect.sync(() => {
          for (const { performanceId } of reading?.performances ?? []) {
            showOf.set(performanceId, showId)
          }
        })
      ),
    maxAgeMs,
    staleIfStoreDownMs,
    keep: showsKept
  })

  const forget = (performanceId: PerformanceId, showId = showOf.get(performanceId)): void => {
    seats.invalidate(performanceId)
    // If the show was never read, no reading of it is kept, but one may be under way.
    if (showId === undefined) shows.invalidateUnderWay()
    else shows.invalidate(showId)
  }
  committed.listen((event) => {
    if ("performanceId" in event) forget(event.performanceId)
  })

  // The store returns the same array of seats if nothing changed, so the array is the key. If a
  // later reading found the seats unchanged, only `asOf` of the map changes.
  const cachedMaps = new WeakMap<
    SeatsReading["seats"],
    { all?: CachedMap; available?: CachedMap }
  >()
  const seatMapOf = ({ reading, ageMs }: SharedRead<SeatsReading | undefined>, all: boolean) => {
    if (reading === undefined) return undefined
    const now = Math.floor(reading.now + ageMs)
    const maps = cachedMaps.get(reading.seats) ?? {}
    const which = all ? "all" : "available"
    const cached = maps[which]
    const isValid = cached !== undefined && now < cached.until
    if (isValid && cached.reading === reading) return cached.view
    const map = isValid
      ? { ...cached, reading, view: { ...cached.view, asOf: new Date(now) } }
      : { ...toSeatMap(reading, now, all), reading }
    cachedMaps.set(reading.seats, { ...maps, [which]: map })
    return map.view
  }

  const cachedDates = new WeakMap<ShowReading, Until<AvailableDates>>()
  const datesOf = (showId: ShowId, { reading, ageMs }: SharedRead<ShowReading | undefined>) => {
    if (reading === undefined) return undefined
    const now = Math.floor(reading.now + ageMs)
    const cached = cachedDates.get(reading)
    if (cached !== undefined && now < cached.until) return cached.view
    const dates = toAvailableDates(showId, reading.performances, now)
    cachedDates.set(reading, dates)
    return dates.view
  }

  // Each returns the same object for as long as it is unchanged, so that a server encodes it once.
  return {
    seatMap: (performanceId: PerformanceId, all: boolean) =>
      Effect.map(seats.read(performanceId), (read) => seatMapOf(read, all)),
    dates: (showId: ShowId) => Effect.map(shows.read(showId), (read) => datesOf(showId, read)),
    /** The result of {@link seatMap} if a fresh reading is in memory, else `undefined`. */
    peekSeatMap: (performanceId: PerformanceId, all: boolean) => {
      const read = seats.peek(performanceId)
      return read && seatMapOf(read, all)
    },
    /** The result of {@link dates} if a fresh reading is in memory, else `undefined`. */
    peekDates: (showId: ShowId) => {
      const read = shows.peek(showId)
      return read && datesOf(showId, read)
    },
    /** Invalidates the readings of a performance and of its show. */
    forget
  }
})
