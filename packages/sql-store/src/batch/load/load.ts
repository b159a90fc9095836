/** All loads of a batch, in the one order in which every batch takes its locks. */

import {
  type LoadPlan,
  type QueueId,
  type QueueRow,
  Rows,
  type TokenRow,
  type UserId,
  withLoaded
} from "@boxoffice/core"
import type { Pipeline } from "../../Pipeline.ts"
import type { Query } from "../../Query.ts"
import type { SchemaName } from "../../schemaName.ts"
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
import { countAhead, lockHeads, lockLapsed, lockTokens, lookAtTokens } from "./tokens.ts"
import { loadTransfers } from "./transfers.ts"
import { readUnpaid } from "./unpaid.ts"
import { lockWallets } from "./wallets.ts"

export interface Loaded {
  readonly rows: Rows
  /** Whose wallet was there. */
  readonly wallets: ReadonlySet<UserId>
  /** The notes of exits that the queues' counts have taken into account. */
  readonly exits: ReadonlyMap<QueueId, ReadonlyArray<bigint>>
  readonly clock: ClockReading
}

const none = () => undefined

/** Adds the loads to a flight; gives the way to what they loaded, for when it has landed. */
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
  const tokenLooks = lookAtTokens(schema)
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
      named ? pipeline.add(query()) : none
    const inQueues = plan.queues.size > 0
    const ofTokens = plan.tokens.size > 0 || plan.liveTokensOf.length > 0
    const ofReservations = plan.reservations.size > 0
    const ofSeats = plan.seats.length > 0 || ofReservations
    const ofHoldings = plan.seatCounts.length > 0

    // The locks, table by table.
    const lockedQueues = add(inQueues, () => queues(plan.queues))
    const lockedTokens = add(ofTokens, () => tokens(plan))
    const lockedHeads = add(plan.heads.size > 0, () => heads(plan.heads))
    const lockedLapsed = add(inQueues, () => lapsed(plan.queues))
    const lockedCodes = add(plan.codes.length > 0, () => codes(plan.codes))
    const lockedWallets = add(plan.wallets.size > 0, () => wallets(plan.wallets))
    if (ofHoldings) pipeline.add(holdingLocks(plan.seatCounts))
    const lockedReservations = add(ofReservations || ofHoldings, () => reservations(plan))
    const lockedSeats = add(ofSeats, () => seats(plan))
    const lockedPerformances = add(plan.performances.size > 0, () =>
      storedPerformances(plan.performances)
    )
    // What is read and not locked comes after them, and the clock last.
    const counts = add(inQueues, () => queueCounts(plan.queues))
    const lookedAt = add(plan.tokensToRead.size > 0, () => tokenLooks(plan.tokensToRead))
    const ahead = add(plan.tokens.size > 0, () => tokensAhead(plan.tokens))
    const counted = add(ofHoldings, () => holdings(plan.seatCounts))
    const found = add(ofSeats || ofHoldings, () => performances(plan))
    const unpaidHolds = add(plan.unpaidOf.size > 0, () => unpaid(plan))
    const madeTransfers = add(plan.transfers.size > 0, () => transfers(plan.transfers))
    const knownShows = add(plan.shows.size > 0, () => shows(plan.shows))
    const knownSeats = add(plan.seatsToRead.length > 0, () => seatsToRead(plan.seatsToRead))
    const recorded = add(plan.outcomes.size > 0, () => outcomes(plan.outcomes))
    const clock = pipeline.add(readClock)

    return () => {
      const reading = clock()
      const heads = lockedHeads() ?? { tokens: [], skipped: [] }
      // A named token can be next, or have lapsed, as well: it counts once, and a head tells when its
      // user was seen.
      const tokens = onceEach([
        ...(lockedLapsed() ?? []),
        ...(lockedTokens() ?? []),
        ...heads.tokens
      ])
      const looks = lookedAt() ?? []
      const wallets = lockedWallets() ?? []
      const queueCounted = counts() ?? new Map<QueueId, QueueCounts>()
      const rows = new Rows({
        now: reading.now,
        outcomes: recorded() ?? [],
        queues: (lockedQueues() ?? []).map((queue) =>
          withLoaded(
            withCounts(queue, queueCounted.get(queue.queueId)!),
            plan.heads.get(queue.queueId),
            tokens,
            heads.skipped
          )
        ),
        codes: lockedCodes() ?? [],
        tokens,
        tokensRead: looks.map(({ token }) => token),
        ahead: [
          ...(ahead() ?? []),
          ...looks.map(({ token, ahead }) => [token.tokenId, ahead] as const)
        ],
        performances: found() ?? [],
        wallets,
        reservations: lockedReservations() ?? [],
        seats: [...(lockedSeats() ?? []), ...(knownSeats() ?? [])],
        shows: knownShows() ?? [],
        storedPerformances: lockedPerformances() ?? [],
        seatCounts: counted() ?? [],
        unpaid: unpaidHolds() ?? [],
        transfers: madeTransfers() ?? []
      })
      return {
        rows,
        wallets: new Set(wallets.map((wallet) => wallet.userId)),
        exits: new Map(Array.from(queueCounted, ([queueId, { exitIds }]) => [queueId, exitIds])),
        clock: reading
      }
    }
  }
}

/** Each token once, as the last load gives it. */
const onceEach = (tokens: ReadonlyArray<TokenRow>): ReadonlyArray<TokenRow> =>
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
