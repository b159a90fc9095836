/**
 * All loads of a batch, in the one order in which every batch takes its locks. Because all batches
 * lock tables in this order, and the rows of a table sorted by key, they cannot deadlock:
 *
 * - 1: queues.
 * - 2: tokens: those that the batch names, then the next in each queue, then lapsed ones. For the
 *   last two, the batch skips locked rows instead of waiting. Codes follow; the lock of their queue
 *   protects them.
 * - 3: wallets.
 * - 4: holdings: the right to give a user more seats of a performance (advisory locks).
 * - 5: reservations.
 * - 6: seats.
 * - 7: performances that get new seats.
 *
 * The reads without locks follow, so that they see what the locks waited for. The clock is last: a
 * hold may lapse while the batch waits for a lock.
 */

import type { QueueId, UserId } from "@boxoffice/core"
import {
  type LoadPlan,
  type QueueRow,
  Rows,
  type TokenRow,
  withLoaded
} from "@boxoffice/core/store"
import type { Pipeline } from "../../Pipeline.ts"
import type { Query } from "../../Query.ts"
import type { SchemaName } from "../../schemaName.ts"
import { waitBriefly } from "./begin.ts"
import { loadSeatsThere, loadShows, lockPerformances } from "./catalog.ts"
import { type ClockReading, readClock } from "./clock.ts"
import { lockCodes } from "./codes.ts"
import { countHoldings, lockHoldings } from "./holdings.ts"
import { loadOutcomes } from "./outcomes.ts"
import { loadPerformances } from "./performances.ts"
import { countQueues, type QueueCounts } from "./queueCounts.ts"
import { lockQueues } from "./queues.ts"
import { lockReservations } from "./reservations.ts"
import { lockSeats } from "./seats.ts"
import { countAhead, loadTokens, lockHeads, lockLapsed, lockTokens } from "./tokens.ts"
import { loadTransfers } from "./transfers.ts"
import { readUnpaid } from "./unpaid.ts"
import { lockWallets } from "./wallets.ts"

export interface Loaded {
  readonly rows: Rows
  /** The users whose wallets already exist. */
  readonly wallets: ReadonlySet<UserId>
  /** Ids of the `queue_exit` rows that the loaded queues' counts include. */
  readonly exits: ReadonlyMap<QueueId, ReadonlyArray<bigint>>
  readonly clock: ClockReading
  /** Whether the answer to a command of the batch was recorded before. */
  readonly hasRecorded: boolean
}

const notLoaded = () => undefined

/**
 * Adds the loads to a pipeline. Returns a function that gives the loaded rows once the pipeline has
 * run.
 */
export const makeLoad = (schema: SchemaName) => {
  const queues = lockQueues(schema)
  const tokens = lockTokens(schema)
  const heads = lockHeads(schema)
  const lapsed = lockLapsed(schema)
  const wallets = lockWallets(schema)
  const holdingLocks = lockHoldings(schema)
  const reservations = lockReservations(schema)
  const seats = lockSeats(schema)
  const codes = lockCodes(schema)
  const queueCounts = countQueues(schema)
  const tokensToRead = loadTokens(schema)
  const tokensAhead = countAhead(schema)
  const holdings = countHoldings(schema)
  const performances = loadPerformances(schema)
  const unpaid = readUnpaid(schema)
  const transfers = loadTransfers(schema)
  const outcomes = loadOutcomes(schema)
  const shows = loadShows(schema)
  const storedPerformances = lockPerformances(schema)
  const seatsToRead = loadSeatsThere(schema)

  return (pipeline: Pipeline, plan: LoadPlan): (() => Loaded) => {
    const add = <A>(named: boolean, query: () => Query<A>): (() => A | undefined) =>
      named ? pipeline.add(query()) : notLoaded
    if (plan.waitsBriefly) pipeline.add(waitBriefly)
    const hasQueues = plan.queues.size > 0
    const hasTokens = plan.tokens.size > 0 || plan.liveTokensOf.length > 0
    const hasReservations = plan.reservations.size > 0
    const hasSeats = plan.seats.length > 0 || hasReservations
    const hasHoldings = plan.seatCounts.length > 0

    // The locks, table by table, in the order above.
    const lockedQueues = add(hasQueues, () => queues(plan.queues))
    const lockedTokens = add(hasTokens, () => tokens(plan))
    const lockedHeads = add(plan.heads.size > 0, () => heads(plan.heads))
    const lockedLapsed = add(hasQueues, () => lapsed(plan.queues))
    const lockedCodes = add(plan.codes.length > 0, () => codes(plan.codes))
    const lockedWallets = add(plan.wallets.size > 0, () => wallets(plan.wallets))
    if (hasHoldings) pipeline.add(holdingLocks(plan.seatCounts))
    const lockedReservations = add(hasReservations || hasHoldings, () => reservations(plan))
    const lockedSeats = add(hasSeats, () => seats(plan))
    const lockedPerformances = add(plan.performances.size > 0, () =>
      storedPerformances(plan.performances)
    )
    // Reads without locks follow the locks, and the clock is last.
    const loadedQueueCounts = add(hasQueues, () => queueCounts(plan.queues))
    const loadedTokens = add(plan.tokensToRead.size > 0, () => tokensToRead(plan.tokensToRead))
    const loadedAhead = add(plan.tokens.size > 0, () => tokensAhead(plan.tokens))
    const loadedSeatCounts = add(hasHoldings, () => holdings(plan.seatCounts))
    const loadedPerformances = add(hasSeats || hasHoldings, () => performances(plan))
    const loadedUnpaid = add(plan.unpaidOf.size > 0, () => unpaid(plan))
    const loadedTransfers = add(plan.transfers.size > 0, () => transfers(plan.transfers))
    const loadedShows = add(plan.shows.size > 0, () => shows(plan.shows))
    const loadedSeats = add(plan.seatsToRead.length > 0, () => seatsToRead(plan.seatsToRead))
    const loadedOutcomes = add(plan.outcomes.size > 0, () => outcomes(plan.outcomes))
    const clock = pipeline.add(readClock)

    return () => {
      const clockReading = clock()
      const outcomes = loadedOutcomes() ?? []
      const heads = lockedHeads() ?? { tokens: [], skipped: [] }
      // A named token may also be next in its queue, or have lapsed: it counts once. The row from
      // the queue's head wins, since it alone says when the user was last seen.
      const tokens = distinctTokens([
        ...(lockedLapsed() ?? []),
        ...(lockedTokens() ?? []),
        ...heads.tokens
      ])
      const tokensRead = loadedTokens() ?? []
      const wallets = lockedWallets() ?? []
      const countsByQueue = loadedQueueCounts() ?? new Map<QueueId, QueueCounts>()
      const rows = new Rows({
        now: clockReading.now,
        outcomes,
        queues: (lockedQueues() ?? []).map((queue) =>
          withLoaded(
            withCounts(queue, countsByQueue.get(queue.queueId)!),
            plan.heads.get(queue.queueId),
            tokens,
            heads.skipped
          )
        ),
        codes: lockedCodes() ?? [],
        tokens,
        tokensRead: tokensRead.map(({ token }) => token),
        ahead: [
          ...(loadedAhead() ?? []),
          ...tokensRead.map(({ token, ahead }) => [token.tokenId, ahead] as const)
        ],
        performances: loadedPerformances() ?? [],
        wallets,
        reservations: lockedReservations() ?? [],
        seats: [...(lockedSeats() ?? []), ...(loadedSeats() ?? [])],
        shows: loadedShows() ?? [],
        storedPerformances: lockedPerformances() ?? [],
        seatCounts: loadedSeatCounts() ?? [],
        unpaid: loadedUnpaid() ?? [],
        transfers: loadedTransfers() ?? []
      })
      return {
        rows,
        wallets: new Set(wallets.map((wallet) => wallet.userId)),
        exits: new Map(Array.from(countsByQueue, ([queueId, { exitIds }]) => [queueId, exitIds])),
        clock: clockReading,
        hasRecorded: outcomes.length > 0
      }
    }
  }
}

/** Each token once. If several loads give it, the last one wins. */
const distinctTokens = (tokens: ReadonlyArray<TokenRow>): ReadonlyArray<TokenRow> =>
  Array.from(new Map(tokens.map((token) => [token.tokenId, token])).values())

const withCounts = (
  queue: Omit<QueueRow, "admittedLastMinute">,
  { admittedLastMinute, exits, presenceKept }: QueueCounts
): QueueRow => ({
  ...queue,
  admittedLastMinute,
  presenceKept,
  active: Math.max(0, queue.active - exits)
})
