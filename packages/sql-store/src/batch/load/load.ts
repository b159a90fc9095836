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
import { findTransfers } from "../../operations/wallets.ts"
import type { Flight, Query } from "../../Query.ts"
import type { SchemaName } from "../../schemaName.ts"
import { loadSeatsThere, loadShows, lockPerformances } from "./catalog.ts"
import { type Moment, readClock } from "./clock.ts"
import { lockCodes } from "./codes.ts"
import { countHoldings, lockHoldings } from "./holdings.ts"
import { loadOutcomes } from "./outcomes.ts"
import { loadPerformances } from "./performances.ts"
import { countQueues, type QueueCounts } from "./queueCounts.ts"
import { lockQueues } from "./queues.ts"
import { lockReservations } from "./reservations.ts"
import { lockSeats } from "./seats.ts"
import { countAhead, lockHeads, lockLapsed, lockTokens, lookAtTokens } from "./tokens.ts"
import { readUnpaid } from "./unpaid.ts"
import { lockWallets } from "./wallets.ts"

export interface Loaded {
  readonly rows: Rows
  /** Whose wallet was there. */
  readonly wallets: ReadonlySet<UserId>
  /** The notes of exits that the queues' counts have taken into account. */
  readonly exits: ReadonlyMap<QueueId, ReadonlyArray<bigint>>
  readonly moment: Moment
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
  const transfers = findTransfers(schema)
  const outcomes = loadOutcomes(schema)
  const shows = loadShows(schema)
  const storedPerformances = lockPerformances(schema)
  const seatsToRead = loadSeatsThere(schema)

  return (flight: Flight, names: LoadPlan): (() => Loaded) => {
    const add = <A>(named: boolean, query: () => Query<A>): (() => A | undefined) =>
      named ? flight.add(query()) : none
    const inQueues = names.queues.size > 0
    const ofTokens = names.tokens.size > 0 || names.liveTokensOf.length > 0
    const ofReservations = names.reservations.size > 0
    const ofSeats = names.seats.length > 0 || ofReservations
    const ofHoldings = names.seatCounts.length > 0

    // The locks, table by table.
    const lockedQueues = add(inQueues, () => queues(names.queues))
    const lockedTokens = add(ofTokens, () => tokens(names))
    const lockedHeads = add(names.heads.size > 0, () => heads(names.heads))
    const lockedLapsed = add(inQueues, () => lapsed(names.queues))
    const lockedCodes = add(names.codes.length > 0, () => codes(names.codes))
    const lockedWallets = add(names.wallets.size > 0, () => wallets(names.wallets))
    if (ofHoldings) flight.add(holdingLocks(names.seatCounts))
    const lockedReservations = add(ofReservations || ofHoldings, () => reservations(names))
    const lockedSeats = add(ofSeats, () => seats(names))
    const lockedPerformances = add(names.performances.size > 0, () =>
      storedPerformances(names.performances)
    )
    // What is read and not locked comes after them, and the clock last.
    const counts = add(inQueues, () => queueCounts(names.queues))
    const lookedAt = add(names.tokensToRead.size > 0, () => tokenLooks(names.tokensToRead))
    const ahead = add(names.tokens.size > 0, () => tokensAhead(names.tokens))
    const counted = add(ofHoldings, () => holdings(names.seatCounts))
    const found = add(ofSeats || ofHoldings, () => performances(names))
    const unpaidHolds = add(names.unpaidOf.size > 0, () => unpaid(names))
    const madeTransfers = add(names.transfers.size > 0, () => transfers(names.transfers))
    const knownShows = add(names.shows.size > 0, () => shows(names.shows))
    const knownSeats = add(names.seatsToRead.length > 0, () => seatsToRead(names.seatsToRead))
    const recorded = add(names.outcomes.size > 0, () => outcomes(names.outcomes))
    const clock = flight.add(readClock)

    return () => {
      const moment = clock()
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
        now: moment.now,
        outcomes: recorded() ?? [],
        queues: (lockedQueues() ?? []).map((queue) =>
          withLoaded(
            withCounts(queue, queueCounted.get(queue.queueId)!),
            names.heads.get(queue.queueId),
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
        moment
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
