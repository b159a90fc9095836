/** All loads of a batch, in the order of the SQL store: see `batch/load/load.ts` there. */
import type { LoadPlan } from "../../engine/LoadPlan.ts"
import { Rows } from "../../engine/Rows.ts"
import type { QueueId, UserId } from "../../Ids.ts"
import type { TokenRow } from "../../queue/model.ts"
import { withLoaded } from "../../queue/position.ts"
import {
  lockCodes,
  lockHeads,
  lockLapsed,
  lockPerformances,
  lockQueues,
  lockReservations,
  lockSeatCounts,
  lockSeats,
  lockTokens,
  lockWallets
} from "./locks.ts"
import type { Pipeline, Query } from "./Pipeline.ts"
import { queueRow } from "./queueColumns.ts"
import {
  type ClockReading,
  countAhead,
  countQueues,
  countSeats,
  loadOutcomes,
  loadPerformances,
  loadSeatsToRead,
  loadShows,
  loadTokens,
  loadTransfers,
  type QueueCounts,
  readClock,
  readUnpaid
} from "./reads.ts"
import type { Schema } from "./schema.ts"

export interface Loaded {
  readonly rows: Rows
  /** The users whose wallets already exist. */
  readonly wallets: ReadonlySet<UserId>
  /** The exits that the counts of the loaded queues include. */
  readonly exits: ReadonlyMap<QueueId, ReadonlyArray<bigint>>
  readonly clock: ClockReading
  /** Whether the answer to a command of the batch was recorded before. */
  readonly hasRecorded: boolean
}

/** How long a batch waits for a lock where the plan says `waitsBriefly`. */
const brieflyMs = 50

const notLoaded = () => undefined

/** Adds the loads to a pipeline. The function that it returns gives the rows once that has run. */
export const addLoads = (schema: Schema, pipeline: Pipeline, plan: LoadPlan): (() => Loaded) => {
  const add = <A>(named: boolean, query: () => Query<A>): (() => A | undefined) =>
    named ? pipeline.add(query()) : notLoaded
  if (plan.waitsBriefly) {
    pipeline.control("wait briefly", (session) => {
      session.lockTimeoutMs = brieflyMs
    })
  }
  const hasQueues = plan.queues.size > 0
  const hasTokens = plan.tokens.size > 0 || plan.liveTokensOf.length > 0
  const hasReservations = plan.reservations.size > 0
  const hasSeats = plan.seats.length > 0 || hasReservations
  const hasSeatCounts = plan.seatCounts.length > 0

  const lockedQueues = add(hasQueues, () => lockQueues(schema, plan.queues))
  const lockedTokens = add(hasTokens, () => lockTokens(schema, plan))
  const lockedHeads = add(plan.heads.size > 0, () => lockHeads(schema, plan.heads))
  const lockedLapsed = add(hasQueues, () => lockLapsed(schema, plan.queues))
  const lockedCodes = add(plan.codes.length > 0, () => lockCodes(schema, plan.codes))
  const lockedWallets = add(plan.wallets.size > 0, () => lockWallets(schema, plan.wallets))
  if (hasSeatCounts) pipeline.add(lockSeatCounts(plan.seatCounts))
  const lockedReservations = add(hasReservations || hasSeatCounts, () =>
    lockReservations(schema, plan)
  )
  const lockedSeats = add(hasSeats, () => lockSeats(schema, plan))
  const lockedPerformances = add(plan.performances.size > 0, () =>
    lockPerformances(schema, plan.performances)
  )
  const queueCounts = add(hasQueues, () => countQueues(schema, plan.queues))
  const tokensRead = add(plan.tokensToRead.size > 0, () => loadTokens(schema, plan.tokensToRead))
  const ahead = add(plan.tokens.size > 0, () => countAhead(schema, plan.tokens))
  const seatCounts = add(hasSeatCounts, () => countSeats(schema, plan.seatCounts))
  const performances = add(hasSeats || hasSeatCounts, () => loadPerformances(schema, plan))
  const unpaid = add(plan.unpaidOf.size > 0, () => readUnpaid(schema, plan))
  const transfers = add(plan.transfers.size > 0, () => loadTransfers(schema, plan.transfers))
  const shows = add(plan.shows.size > 0, () => loadShows(schema, plan.shows))
  const seatsRead = add(plan.seatsToRead.length > 0, () =>
    loadSeatsToRead(schema, plan.seatsToRead)
  )
  const outcomes = add(plan.outcomes.size > 0, () => loadOutcomes(schema, plan.outcomes))
  const clock = pipeline.add(readClock)

  return () => {
    const heads = lockedHeads() ?? { tokens: [], skipped: [] }
    // A named token may also be next in its queue, or have lapsed: it counts once.
    const tokens = distinctTokens([
      ...(lockedLapsed() ?? []),
      ...(lockedTokens() ?? []),
      ...heads.tokens
    ])
    const countsByQueue = queueCounts() ?? new Map<QueueId, QueueCounts>()
    const wallets = lockedWallets() ?? []
    const recorded = outcomes() ?? []
    const rows = new Rows({
      now: clock().now,
      outcomes: recorded,
      queues: (lockedQueues() ?? []).map((queue) => {
        const { exits, ...counts } = countsByQueue.get(queue.queueId)!
        const active = Math.max(0, queue.active - exits)
        const { admittedLastMinute, presenceKept } = counts
        const row = { ...queueRow(queue, { active, admittedLastMinute }), presenceKept }
        return withLoaded(row, plan.heads.get(queue.queueId), tokens, heads.skipped)
      }),
      codes: lockedCodes() ?? [],
      tokens,
      tokensRead: (tokensRead() ?? []).map(({ token }) => token),
      ahead: [...(ahead() ?? []), ...(tokensRead() ?? [])].map(
        ({ token, ahead }) => [token.tokenId, ahead] as const
      ),
      performances: performances() ?? [],
      wallets,
      reservations: lockedReservations() ?? [],
      seats: [...(lockedSeats() ?? []), ...(seatsRead() ?? [])],
      shows: shows() ?? [],
      storedPerformances: lockedPerformances() ?? [],
      seatCounts: seatCounts() ?? [],
      unpaid: unpaid() ?? [],
      transfers: transfers() ?? []
    })
    return {
      rows,
      wallets: new Set(wallets.map(({ userId }) => userId)),
      exits: new Map(Array.from(countsByQueue, ([queueId, { exitIds }]) => [queueId, exitIds])),
      clock: clock(),
      hasRecorded: recorded.length > 0
    }
  }
}

/** Each token once. If several loads give it, the last one wins. */
const distinctTokens = (tokens: ReadonlyArray<TokenRow>): ReadonlyArray<TokenRow> =>
  Array.from(new Map(tokens.map((token) => [token.tokenId, token])).values())
