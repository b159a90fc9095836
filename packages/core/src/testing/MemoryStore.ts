/**
 * The store in memory, for tests: the same batches and the same rules as in Postgres, on Effect's
 * clock, which `TestClock` moves. It runs one batch at a time, in one process. It holds all rows in
 * maps by key for as long as its layer lives, and persists nothing.
 */
import { Clock, Effect, Layer } from "effect"
import {
  BoxOfficeStore,
  departuresPerReading,
  type Page,
  type QueueReading
} from "../BoxOfficeStore.ts"
import type { Performance, PerformanceRow, Show, StoredPerformance } from "../catalog/model.ts"
import { StoreUnavailable } from "../Errors.ts"
import type { RecordedOutcome } from "../Events.ts"
import { admissionsPerBatch, type Heads, type LoadPlan } from "../engine/LoadPlan.ts"
import {
  type Changes,
  type CodeRow,
  holdingKey,
  type LoadedRows,
  Rows,
  seatKey
} from "../engine/Rows.ts"
import type { PerformanceId, QueueId, ShowId, TokenId, UserId } from "../Ids.ts"
import { isDue } from "../queue/decide.ts"
import {
  absentAfterSeconds,
  numbersPerBlock,
  presencePeriodSeconds,
  wasSeen
} from "../queue/live/presence.ts"
import type { Departure, QueueLane, QueueRow, TokenRow } from "../queue/model.ts"
import { placeOf, withLoaded } from "../queue/position.ts"
import { tokenStateAt } from "../queue/status.ts"
import {
  type ReservationRow,
  reservationStatusAt,
  type SeatRow,
  seatStatusAt,
  type UnpaidHold
} from "../reservation/model.ts"
import type { TransferRow, WalletRow } from "../wallet/model.ts"
import { makeMemoryDeliveries } from "./MemoryDeliveries.ts"
import { MemoryOutbox } from "./MemoryOutbox.ts"

/** All rows, by key. */
export class Memory {
  readonly queues = new Map<QueueId, QueueRow>()
  readonly departures = new Map<QueueId, Array<Departure>>()
  readonly codes = new Map<string, CodeRow>()
  /** The time of the last presence mark of each number, by lane. */
  readonly seenAt = new Map<QueueId, Map<string, number>>()
  /** The times at which nodes flushed presence marks of a queue. */
  readonly flushedAt = new Map<QueueId, Array<number>>()
  readonly tokens = new Map<TokenId, TokenRow>()
  readonly shows = new Map<ShowId, Show>()
  readonly performances = new Map<PerformanceId, Performance>()
  readonly seatVersions = new Map<PerformanceId, number>()
  readonly seats = new Map<string, SeatRow>()
  readonly reservations = new Map<string, ReservationRow>()
  readonly wallets = new Map<UserId, WalletRow>()
  readonly transfers = new Map<string, TransferRow>()
  readonly outcomes = new Map<string, RecordedOutcome & { readonly recordedAt: number }>()
  readonly outbox = new MemoryOutbox()

  /** A queue row with the fields that depend on the instant. */
  queueAt(queue: QueueRow, now: number): QueueRow {
    const tokens = this.tokensOf(queue.queueId)
    const admittedLastMinute = tokens.filter(({ admittedAt }) =>
      isOfLastMinute(admittedAt, now)
    ).length
    const absenceSeconds = absentAfterSeconds(queue.settings.absenceSeconds)
    const flushes = (this.flushedAt.get(queue.queueId) ?? []).filter(
      (at) => at > now - absenceSeconds * 1_000
    )
    const periods = new Set(flushes.map((at) => Math.floor(at / 1_000 / presencePeriodSeconds)))
    const presenceKept = periods.size >= Math.floor(absenceSeconds / presencePeriodSeconds)
    return { ...queue, admittedLastMinute, presenceKept }
  }

  /** A queue as an operator sees it: lapsed tokens do not count as active. */
  shown(queue: QueueRow, now: number): QueueRow {
    const lapsed = this.lapsedIn(queue.queueId, now).length
    return { ...this.queueAt(queue, now), active: queue.active - lapsed }
  }

  tokensOf(queueId: QueueId): Array<TokenRow> {
    return Array.from(this.tokens.values()).filter((token) => token.queueId === queueId)
  }

  lapsedIn(queueId: QueueId, now: number): Array<TokenRow> {
    return this.tokensOf(queueId).filter(
      (token) => token.state === "admitted" && tokenStateAt(token, now) === "expired"
    )
  }

  /** For each of these tokens that waits: how many tokens are ahead of it in its lane. */
  aheadOf(tokens: ReadonlyArray<TokenRow>): Map<TokenId, number> {
    const placesByLane = new Map<string, ReadonlyArray<bigint>>()
    const placesInLaneOf = ({ queueId, lane }: TokenRow): ReadonlyArray<bigint> => {
      const key = `${queueId}/${lane}`
      const queue = this.queues.get(queueId)!
      const places =
        placesByLane.get(key) ??
        this.tokensOf(queueId)
          .filter((token) => token.state === "waiting" && token.lane === lane)
          .map(({ number }) => placeOf(queue, lane, number))
      placesByLane.set(key, places)
      return places
    }
    const ahead = new Map<TokenId, number>()
    for (const token of tokens) {
      if (token.state !== "waiting") continue
      const own = placeOf(this.queues.get(token.queueId)!, token.lane, token.number)
      ahead.set(token.tokenId, placesInLaneOf(token).filter((place) => place < own).length)
    }
    return ahead
  }

  /**
   * The next tokens in line, as Postgres finds them: by number, and of a draw only those in
   * `heads`.
   */
  heads(queue: QueueRow, { limit, drawn }: Heads): ReadonlyArray<TokenRow> {
    const behind = (lane: QueueLane, from: bigint) =>
      this.tokensOf(queue.queueId)
        .filter((token) => token.lane === lane && token.state === "waiting" && token.number > from)
        .sort((a, b) => (a.number < b.number ? -1 : 1))
    const named = new Set(drawn?.numbers)
    const isDrawnLoaded = later(queue.cursor, drawn?.upTo ?? 0n) >= queue.drawSize
    return [
      ...behind("general", 0n).filter(({ number }) => named.has(number)),
      ...(isDrawnLoaded
        ? behind("general", later(queue.cursor, queue.drawSize)).slice(0, limit)
        : []),
      ...behind("priority", queue.priority.cursor).slice(0, limit)
    ]
  }

  withSettings(token: TokenRow): TokenRow {
    const seenAt = this.seenAt.get(token.queueId)?.get(`${token.lane}/${token.number}`)
    const { settings } = this.queues.get(token.queueId)!
    return { ...token, settings, ...(seenAt === undefined ? {} : { seenAt }) }
  }

  performanceRow(performanceId: PerformanceId): PerformanceRow | undefined {
    const performance = this.performances.get(performanceId)
    if (performance === undefined) return undefined
    const show = this.shows.get(performance.showId)!
    return {
      performanceId,
      showId: show.showId,
      queueId: show.queueId,
      startsAt: performance.startsAt.getTime(),
      salesOpenAt: show.salesOpenAt?.getTime() ?? null,
      salesCloseAt: show.salesCloseAt?.getTime() ?? null
    }
  }

  storedPerformance(performanceId: PerformanceId): StoredPerformance | undefined {
    const performance = this.performances.get(performanceId)
    const currency = this.seatsOf(performanceId)[0]?.price.currency ?? null
    return performance && { ...performance, currency }
  }

  seatsOf(performanceId: PerformanceId): Array<SeatRow> {
    return Array.from(this.seats.values()).filter((seat) => seat.performanceId === performanceId)
  }

  load(plan: LoadPlan, now: number): LoadedRows {
    const tokens = new Map<TokenId, TokenRow>()
    const add = (token: TokenRow) => tokens.set(token.tokenId, this.withSettings(token))
    present(plan.tokens, this.tokens).forEach(add)
    for (const { queueId, userId } of plan.liveTokensOf) {
      const isLive = (token: TokenRow) => token.state === "waiting" || token.state === "admitted"
      this.tokensOf(queueId)
        .filter((token) => token.userId === userId && isLive(token))
        .forEach(add)
    }
    const queues = present(plan.queues, this.queues).map((queue) => {
      const heads = plan.heads.get(queue.queueId)
      if (heads !== undefined) this.heads(queue, heads).forEach(add)
      this.lapsedIn(queue.queueId, now).slice(0, admissionsPerBatch).forEach(add)
      return { row: this.queueAt(queue, now), heads }
    })
    const tokensRead = present(plan.tokensToRead, this.tokens).map((token) =>
      this.withSettings(token)
    )
    const reservations = present(plan.reservations, this.reservations)
    const seats = [
      ...plan.seats.flatMap(({ performanceId, seatIds }) =>
        present(
          seatIds.map((seatId) => seatKey(performanceId, seatId)),
          this.seats
        )
      ),
      ...reservations.flatMap((reservation) =>
        present(
          reservation.seats.map((seat) => seatKey(reservation.performanceId, seat.seatId)),
          this.seats
        )
      ),
      ...plan.seatsToRead.flatMap(({ performanceId, seatIds }) =>
        present(
          seatIds.map((seatId) => seatKey(performanceId, seatId)),
          this.seats
        )
      )
    ]
    const performanceIds = [
      ...plan.seats.map((named) => named.performanceId),
      ...reservations.map((reservation) => reservation.performanceId)
    ]
    return {
      now,
      queues: queues.map(({ row, heads }) => withLoaded(row, heads, tokens.values())),
      tokens: tokens.values(),
      tokensRead,
      ahead: this.aheadOf([...tokens.values(), ...tokensRead]),
      wallets: present(plan.wallets, this.wallets),
      unpaid: this.unpaidOf(plan, now),
      transfers: present(plan.transfers, this.transfers),
      reservations,
      seats,
      performances: performanceIds.flatMap((id) => this.performanceRow(id) ?? []),
      seatCounts: plan.seatCounts.map(
        ({ performanceId, userId }) =>
          [holdingKey(performanceId, userId), this.countSeats(performanceId, userId, now)] as const
      ),
      outcomes: present(plan.outcomes, this.outcomes),
      codes: present(plan.codes.map(codeKey), this.codes),
      shows: present(plan.shows, this.shows),
      storedPerformances: Array.from(plan.performances).flatMap(
        (performanceId) => this.storedPerformance(performanceId) ?? []
      )
    }
  }

  /** Whether a batch would add a row whose id is taken: then Postgres refuses the whole batch. */
  isTaken({ newTokens, newReservations, transfers, outcomes }: Changes): boolean {
    return (
      newTokens.some(({ tokenId }) => this.tokens.has(tokenId)) ||
      newReservations.some(({ reservationId }) => this.reservations.has(reservationId)) ||
      transfers.some(({ transferId }) => this.transfers.has(transferId)) ||
      outcomes.some(({ commandId }) => this.outcomes.has(commandId))
    )
  }

  /**
   * For each user and queue, any one unpaid hold, as Postgres finds it: callers need no particular
   * one.
   */
  private unpaidOf({ unpaidOf, reservations }: LoadPlan, now: number): ReadonlyArray<UnpaidHold> {
    return Array.from(unpaidOf.values()).flatMap(({ userId, queueId }) => {
      for (const hold of this.reservations.values()) {
        const { reservationId, performanceId, holdExpiresAt } = hold
        if (hold.userId !== userId || hold.status !== "held" || holdExpiresAt <= now) continue
        if (reservations.has(reservationId)) continue
        if (this.performanceRow(performanceId)!.queueId !== queueId) continue
        return [{ reservationId, userId, queueId, holdExpiresAt }]
      }
      return []
    })
  }

  private countSeats(performanceId: PerformanceId, userId: UserId, now: number): number {
    let count = 0
    for (const reservation of this.reservations.values()) {
      if (reservation.performanceId !== performanceId || reservation.userId !== userId) continue
      const status = reservationStatusAt(reservation, now)
      if (status === "held" || status === "confirmed") count += reservation.seats.length
    }
    return count
  }

  /** Saves all rows but the events. The returned function commits the events to the outbox. */
  save(changes: Changes, now: number): () => void {
    for (const row of [...changes.newQueues, ...changes.queues]) this.queues.set(row.queueId, row)
    for (const { queueId, count } of changes.exits) {
      const queue = this.queues.get(queueId)!
      this.queues.set(queueId, { ...queue, active: queue.active - count })
    }
    for (const departure of changes.departures) {
      const { queueId } = departure
      this.departures.set(queueId, [...(this.departures.get(queueId) ?? []), departure])
    }
    for (const code of [...changes.newCodes, ...changes.codes]) this.codes.set(codeKey(code), code)
    for (const row of [...changes.tokens, ...changes.newTokens]) this.tokens.set(row.tokenId, row)
    for (const row of changes.wallets) this.wallets.set(row.userId, row)
    for (const row of [...changes.newReservations, ...changes.reservations]) {
      this.reservations.set(row.reservationId, row)
    }
    for (const show of changes.newShows) this.shows.set(show.showId, show)
    for (const row of changes.newPerformances) this.performances.set(row.performanceId, row)
    for (const row of [...changes.newSeats, ...changes.seats]) {
      this.seats.set(seatKey(row.performanceId, row.seatId), row)
      const version = this.seatVersions.get(row.performanceId) ?? 0
      this.seatVersions.set(row.performanceId, version + 2)
    }
    for (const row of changes.transfers) this.transfers.set(row.transferId, row)
    for (const row of changes.outcomes) {
      this.outcomes.set(row.commandId, { ...row, recordedAt: now })
    }
    return this.outbox.add(changes.events)
  }
}

const codeKey = ({ queueId, codeHash }: { readonly queueId: QueueId; readonly codeHash: string }) =>
  `${queueId}/${codeHash}`

/**
 * The rule of Postgres: an admission dated more than a minute ahead does not count, since the clock
 * was set back after it.
 */
const isOfLastMinute = (admittedAt: number | null, now: number): admittedAt is number =>
  admittedAt !== null && admittedAt > now - 60_000 && admittedAt <= now + 60_000

/**
 * The admissions of the last minute: for each second, their count and the instant of the last one.
 */
const admissionCountsOf = (
  tokens: ReadonlyArray<TokenRow>,
  now: number
): QueueReading["admissions"] => {
  const seconds = new Map<number, { readonly at: number; readonly admitted: number }>()
  for (const { admittedAt } of tokens) {
    if (!isOfLastMinute(admittedAt, now)) continue
    const second = Math.floor(admittedAt / 1_000)
    const { at, admitted } = seconds.get(second) ?? { at: 0, admitted: 0 }
    seconds.set(second, { at: Math.max(at, admittedAt), admitted: admitted + 1 })
  }
  return Array.from(seconds.values()).sort((a, b) => a.at - b.at)
}

const later = (a: bigint, b: bigint): bigint => (a > b ? a : b)

const present = <K, V>(keys: Iterable<K>, map: ReadonlyMap<K, V>): Array<V> =>
  Array.from(keys).flatMap((key) => map.get(key) ?? [])

const pageOf = <A, Cursor>(
  rows: ReadonlyArray<A>,
  page: Page<Cursor>,
  isAfter: (row: A, cursor: Cursor) => boolean
): Array<A> => {
  const { after } = page
  return rows.filter((row) => after === undefined || isAfter(row, after)).slice(0, page.limit)
}

/**
 * Compares by the bytes of UTF-8, as the "C" collation of Postgres does. JavaScript compares
 * UTF-16.
 */
const compareBytes = (a: string, b: string): number =>
  Buffer.compare(Buffer.from(a), Buffer.from(b))

const byText =
  <A>(key: (row: A) => string) =>
  (a: A, b: A) =>
    compareBytes(key(a), key(b))

/** A new, empty store in memory. */
export const layerMemory: Layer.Layer<BoxOfficeStore> = Layer.sync(BoxOfficeStore, () =>
  storeOver(new Memory())
)

export const storeOver = (memory: Memory): BoxOfficeStore["Service"] => {
  let batches = 0
  const at = <A>(read: (now: number) => A): Effect.Effect<A> =>
    Effect.map(Clock.currentTimeMillis, read)

  return BoxOfficeStore.of({
    transact: (plan, decide) =>
      Effect.gen(function* () {
        const rows = new Rows(memory.load(plan, yield* Clock.currentTimeMillis))
        const replies = decide(rows)
        const changes = rows.changes()
        if (memory.isTaken(changes)) {
          const cause = new Error("a row with that id is there already")
          return yield* new StoreUnavailable({ retryable: false, cause, isTaken: true })
        }
        const commit = memory.save(changes, rows.now)
        // Every second batch yields, so that later batches commit before it, as they can in
        // Postgres.
        batches++
        if (batches % 2 === 1) yield* Effect.yieldNow
        commit()
        return replies
      }).pipe(Effect.uninterruptible),
    // Batches run one by one here, and no other transaction holds a row.
    lockedRows: () => Effect.succeed(new Map()),
    readTokens: (questions) =>
      at((now) => {
        const tokens = present(
          questions.map(({ tokenId }) => tokenId),
          memory.tokens
        )
        const ahead = memory.aheadOf(tokens)
        return questions.map(({ tokenId, showId, performanceId }) => {
          const token = memory.tokens.get(tokenId)
          const show =
            performanceId === undefined
              ? showId && memory.shows.get(showId)
              : memory.performanceRow(performanceId)
          return {
            now,
            token: token && memory.withSettings(token),
            ahead: ahead.get(tokenId) ?? 0,
            requiredQueueId: show?.queueId
          }
        })
      }),
    readQueue: (queueId, after) =>
      at((now) => {
        const queue = memory.queues.get(queueId)
        if (queue === undefined) return undefined
        const departures = memory.departures.get(queueId) ?? []
        return {
          now,
          queue: memory.queueAt(queue, now),
          lapsed: memory.lapsedIn(queueId, now).length > 0,
          departures: departures.filter(({ seq }) => seq > after).slice(0, departuresPerReading),
          admissions: admissionCountsOf(memory.tokensOf(queueId), now)
        }
      }),
    queue: (queueId) =>
      at((now) => {
        const queue = memory.queues.get(queueId)
        return queue && memory.shown(queue, now)
      }),
    queues: (page) =>
      at((now) =>
        pageOf(
          Array.from(memory.queues.values()).sort(byText((queue) => queue.queueId)),
          page,
          (queue, cursor) => queue.queueId > cursor
        ).map((queue) => memory.shown(queue, now))
      ),
    show: (showId) => at(() => memory.shows.get(showId)),
    shows: (page) =>
      at(() =>
        pageOf(
          Array.from(memory.shows.values()).sort(byText((show) => show.showId)),
          page,
          (show, cursor) => compareBytes(show.showId, cursor) > 0
        )
      ),
    performance: (performanceId) => at(() => memory.storedPerformance(performanceId)),
    performances: (showId) =>
      at((now) => {
        if (!memory.shows.has(showId)) return undefined
        const performances = Array.from(memory.performances.values())
          .filter((performance) => performance.showId === showId)
          .sort((a, b) => a.startsAt.getTime() - b.startsAt.getTime())
          .map((performance) => {
            const seats = memory.seatsOf(performance.performanceId)
            const free = seats.filter((seat) => seatStatusAt(seat, now) === "available")
            const cheapest = free
              .map((seat) => seat.price)
              .sort((a, b) => Number(a.amount - b.amount))
            return {
              ...memory.performanceRow(performance.performanceId)!,
              timeZone: performance.timeZone,
              availableSeats: free.length,
              totalSeats: seats.length,
              priceFrom: cheapest[0] ?? null
            }
          })
        return { now, performances }
      }),
    seats: (performanceId, before) =>
      at((now) => {
        const performance = memory.performanceRow(performanceId)
        const version = memory.seatVersions.get(performanceId) ?? 0
        const seats = before?.version === version ? before.seats : memory.seatsOf(performanceId)
        return performance && { now, performance, version, seats }
      }),
    reservation: (reservationId) =>
      at((now) => ({ now, reservations: present([reservationId], memory.reservations) })),
    reservations: (userId, page) =>
      at((now) => {
        const key = (row: { readonly heldAt: number; readonly reservationId: string }) =>
          `${String(row.heldAt).padStart(16, "0")}/${row.reservationId}`
        const rows = Array.from(memory.reservations.values())
          .filter((row) => row.userId === userId)
          .sort(byText(key))
          .reverse()
        return { now, reservations: pageOf(rows, page, (row, cursor) => key(row) < key(cursor)) }
      }),
    wallet: (userId) => at(() => memory.wallets.get(userId)),
    paid: (paymentId) =>
      at(() => Array.from(memory.reservations.values()).find((row) => row.paymentId === paymentId)),
    transfers: (userId, page) =>
      at(() =>
        pageOf(
          Array.from(memory.transfers.values())
            .filter((row) => row.userId === userId)
            .sort((a, b) => b.version - a.version),
          page,
          (row, cursor) => row.version < cursor
        )
      ),
    lapsed: (limit) =>
      at((now) => ({
        reservations: Array.from(memory.reservations.values())
          .filter((row) => row.status === "held" && reservationStatusAt(row, now) === "expired")
          .slice(0, limit)
          .map((row) => row.reservationId),
        queues: Array.from(memory.queues.values())
          .filter(
            (queue) =>
              memory.lapsedIn(queue.queueId, now).length > 0 ||
              isDue(memory.queueAt(queue, now), now)
          )
          .slice(0, limit)
          .map((queue) => queue.queueId)
      })),
    markSeen: (queueId, sightings) =>
      at((now) => {
        const seen = memory.seenAt.get(queueId) ?? new Map<string, number>()
        memory.seenAt.set(queueId, seen)
        memory.flushedAt.set(queueId, [...(memory.flushedAt.get(queueId) ?? []), now])
        for (const { lane, block, seen: bits } of sightings) {
          for (let i = 0; i < numbersPerBlock; i++) {
            if (wasSeen(bits, i)) seen.set(`${lane}/${block * numbersPerBlock + i}`, now)
          }
        }
      }),
    clearEnded: (olderThanMs, limit) =>
      at((now) => {
        const old = Array.from(memory.tokens.values())
          .filter(({ endedAt }) => endedAt !== null && endedAt <= now - olderThanMs)
          .slice(0, limit)
        for (const { tokenId } of old) memory.tokens.delete(tokenId)
        return old.length
      }),
    clearReservations: (olderThanMs, limit) =>
      at((now) => {
        const old = Array.from(memory.reservations.values())
          .filter(({ status }) => status === "released" || status === "expired")
          .filter(({ endedAt }) => endedAt! <= now - olderThanMs)
          .sort((a, b) => a.endedAt! - b.endedAt!)
          .slice(0, limit)
        for (const { reservationId } of old) memory.reservations.delete(reservationId)
        return old.length
      }),
    clearOutcomes: (olderThanMs, limit) =>
      at((now) => {
        const old = Array.from(memory.outcomes.values())
          .filter(({ recordedAt }) => recordedAt <= now - olderThanMs)
          .slice(0, limit)
        for (const { commandId } of old) memory.outcomes.delete(commandId)
        return old.length
      }),
    outbox: memory.outbox.port,
    deliveries: makeMemoryDeliveries(),
    ping: Effect.void,
    closing: Effect.void
  })
}
