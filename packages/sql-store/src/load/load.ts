/** All loads of a batch, in the one order in which every batch takes its locks. */

import {
  type QueueRow,
  type RowNames,
  Rows,
  type TokenId,
  type TokenRow,
  type UserId
} from "@boxoffice/core"
import type { Flight, Query } from "../Query.ts"
import type { SchemaName } from "../schemaName.ts"
import { readClock } from "./clock.ts"
import { countHoldings, lockHoldings } from "./holdings.ts"
import { loadOutcomes } from "./outcomes.ts"
import { loadPerformances } from "./performances.ts"
import { countQueues, type QueueCounts } from "./queueCounts.ts"
import { type LockedQueue, lockQueues } from "./queues.ts"
import { lockReservations } from "./reservations.ts"
import { lockSeats } from "./seats.ts"
import { countAhead, lockTokens, lookAtTokens } from "./tokens.ts"
import { lockWallets } from "./wallets.ts"

export interface Loaded {
  readonly rows: Rows
  /** Whose wallet was there. */
  readonly wallets: ReadonlySet<UserId>
  readonly xid: string
}

const none = () => undefined

/** Adds the loads to a flight; gives the way to what they loaded, for when it has landed. */
export const makeLoad = (schema: SchemaName) => {
  const queues = lockQueues(schema)
  const tokens = lockTokens(schema)
  const wallets = lockWallets(schema)
  const holdingLocks = lockHoldings(schema)
  const reservations = lockReservations(schema)
  const seats = lockSeats(schema)
  const queueCounts = countQueues(schema)
  const tokenLooks = lookAtTokens(schema)
  const tokensAhead = countAhead(schema)
  const holdings = countHoldings(schema)
  const performances = loadPerformances(schema)
  const outcomes = loadOutcomes(schema)

  return (flight: Flight, names: RowNames): (() => Loaded) => {
    const add = <A>(named: boolean, query: () => Query<A>): (() => A | undefined) =>
      named ? flight.add(query()) : none
    const inQueues = names.queues.size > 0
    const ofTokens = names.tokens.size > 0 || names.members.length > 0
    const ofReservations = names.reservations.size > 0
    const ofSeats = names.seats.length > 0 || ofReservations
    const ofHoldings = names.holdings.length > 0

    // The locks, table by table.
    const lockedQueues = add(inQueues, () => queues(names.queues))
    const lockedTokens = add(inQueues || ofTokens, () => tokens(names))
    const lockedWallets = add(names.wallets.size > 0, () => wallets(names.wallets))
    if (ofHoldings) flight.add(holdingLocks(names.holdings))
    const lockedReservations = add(ofReservations, () => reservations(names.reservations))
    const lockedSeats = add(ofSeats, () => seats(names))
    // What is read and not locked comes after them, and the clock last.
    const counts = add(inQueues, () => queueCounts(names.queues))
    const lookedAt = add(names.looks.size > 0, () => tokenLooks(names.looks))
    const ahead = add(ofTokens, () => tokensAhead(names))
    const counted = add(ofHoldings, () => holdings(names.holdings))
    const found = add(ofSeats || ofHoldings, () => performances(names))
    const recorded = add(names.outcomes.size > 0, () => outcomes(names.outcomes))
    const clock = flight.add(readClock)

    return () => {
      const { now, xid } = clock()
      const tokens = lockedTokens() ?? []
      const looks = lookedAt() ?? []
      const wallets = lockedWallets() ?? []
      const rows = new Rows({
        now,
        outcomes: recorded() ?? [],
        queues: joinCounts(lockedQueues(), counts()),
        tokens,
        looks: looks.map(({ token }) => token),
        ahead: [
          ...rankHeads(tokens, ahead() ?? new Map()),
          ...looks.map(({ token, ahead }) => [token.tokenId, ahead] as const)
        ],
        performances: found() ?? [],
        wallets,
        reservations: lockedReservations() ?? [],
        seats: lockedSeats() ?? [],
        holdings: counted() ?? []
      })
      return { rows, wallets: new Set(wallets.map((wallet) => wallet.userId)), xid }
    }
  }
}

const joinCounts = (
  queues: ReadonlyArray<LockedQueue> = [],
  counts: ReadonlyMap<string, QueueCounts> = new Map()
): ReadonlyArray<QueueRow> => queues.map((queue) => ({ ...queue, ...counts.get(queue.queueId)! }))

/** Adds the heads of the line, who were not counted: whoever is before them was loaded too. */
const rankHeads = (
  tokens: ReadonlyArray<TokenRow>,
  ahead: Map<TokenId, number>
): Map<TokenId, number> => {
  const waiting = tokens.filter((token) => token.state === "waiting")
  if (waiting.length === ahead.size) return ahead
  waiting.sort((a, b) => (a.number < b.number ? -1 : 1))
  const ranks = new Map<string, number>()
  for (const token of waiting) {
    const rank = ranks.get(token.queueId) ?? 0
    ranks.set(token.queueId, rank + 1)
    if (!ahead.has(token.tokenId)) ahead.set(token.tokenId, rank)
  }
  return ahead
}
