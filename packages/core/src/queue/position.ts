/**
 * The order of tokens within a lane, and how the two lanes take turns. Pure.
 *
 * A place is a token's rank in the order of its lane: its number, or its drawn place if it took
 * part in a draw. Places of tokens that have ended are not closed up, so a place is no position.
 */

import type { Heads } from "../engine/LoadPlan.ts"
import { permutationOf } from "./lottery.ts"
import type { LaneRow, QueueLane, QueueRow, TokenRow } from "./model.ts"

/** The fields of a queue that determine places. */
export type DrawState = Pick<QueueRow, "queueId" | "opening" | "drawSize">

/**
 * Whether the queue has a draw and has not opened, so that no token of the general lane has a
 * place.
 */
export const isPreOpening = ({ opening }: Pick<QueueRow, "opening">): boolean =>
  opening !== null && opening.openedAt === null

/** The place of a number: its drawn place if it took part in a draw, else the number itself. */
export const placeOf = (queue: DrawState, lane: QueueLane, number: bigint): bigint => {
  if (lane !== "general" || number > queue.drawSize || queue.opening === null) return number
  return BigInt(drawOf(queue).placeOf(Number(number)))
}

/** The number at a place, the inverse of {@link placeOf}. */
export const numberAt = (queue: DrawState, lane: QueueLane, place: bigint): bigint => {
  if (lane !== "general" || place > queue.drawSize || queue.opening === null) return place
  return BigInt(drawOf(queue).numberAt(Number(place)))
}

const drawOf = ({ queueId, opening, drawSize }: DrawState) =>
  permutationOf({ queueId, seed: opening!.seed, drawn: Number(drawSize) })

/** One lane of a queue. */
export const laneRow = (queue: QueueRow, lane: QueueLane): LaneRow =>
  lane === "general" ? queue : queue.priority

/** A copy of a queue with one of its lanes changed. */
export const withLaneRow = (
  queue: QueueRow,
  lane: QueueLane,
  change: Partial<LaneRow>
): QueueRow =>
  lane === "general"
    ? { ...queue, ...change }
    : { ...queue, priority: { ...queue.priority, ...change } }

/** A token next in line that a batch did not load, because another transaction holds its lock. */
export type SkippedHead = Pick<TokenRow, "queueId" | "lane" | "number">

/**
 * A queue with `headsLoadedTo` of its lanes: up to which place the batch loaded all waiting tokens.
 * Stores load by {@link Heads}; the rule is here so that all stores apply the same one. Tokens from
 * the first skipped place on do not count as loaded, or those behind it would be admitted first.
 */
export const withLoaded = (
  queue: QueueRow,
  heads: Heads | undefined,
  tokens: Iterable<TokenRow>,
  skipped: ReadonlyArray<SkippedHead> = []
): QueueRow => {
  const { limit = 0, drawn } = heads ?? {}
  const numbers = { general: [] as Array<bigint>, priority: [] as Array<bigint> }
  for (const { queueId, lane, state, number } of tokens) {
    if (queueId === queue.queueId && state === "waiting") numbers[lane].push(number)
  }
  /** The store loads the first `limit` numbers behind the cursor, or behind the draw. */
  const upTo = (lane: QueueLane, behind: bigint): bigint | undefined =>
    numbers[lane].filter((number) => number > behind).sort(ascending)[limit - 1]
  const headsLoadedTo = (lane: QueueLane): bigint => {
    const { waiting, nextNumber, cursor } = laneRow(queue, lane)
    if (waiting === 0) return nextNumber - 1n
    if (lane === "general" && cursor < queue.drawSize) {
      if (drawn === undefined || drawn.upTo < queue.drawSize) return drawn?.upTo ?? cursor
      return upTo(lane, queue.drawSize) ?? nextNumber - 1n
    }
    if (waiting <= limit) return nextNumber - 1n
    return upTo(lane, cursor) ?? cursor
  }
  const beforeSkipped = (lane: QueueLane): bigint =>
    skipped
      .filter((head) => head.queueId === queue.queueId && head.lane === lane)
      .map(({ number }) => placeOf(queue, lane, number) - 1n)
      .reduce(minOf, headsLoadedTo(lane))
  const general = withLaneRow(queue, "general", { headsLoadedTo: beforeSkipped("general") })
  return withLaneRow(general, "priority", { headsLoadedTo: beforeSkipped("priority") })
}

const minOf = (a: bigint, b: bigint): bigint => (a < b ? a : b)

const ascending = (a: bigint, b: bigint): number => (a < b ? -1 : 1)

/** How many tokens wait in both lanes. */
export const waitingIn = (queue: QueueRow): number => queue.waiting + queue.priority.waiting

/** Each admission adds the priority lane's share to its credit. At 100, the lane has its turn. */
const fullCredit = 100

/**
 * The lane that has its turn, and the credit of the priority lane afterwards. If only one lane has
 * waiting tokens, it has its turn and the credit does not change.
 */
export const nextLane = (
  hasWaiting: { readonly general: boolean; readonly priority: boolean },
  credit: number,
  sharePercent: number
): { readonly lane: QueueLane; readonly credit: number } => {
  if (!hasWaiting.priority) return { lane: "general", credit }
  if (!hasWaiting.general) return { lane: "priority", credit }
  const next = credit + sharePercent
  return next >= fullCredit
    ? { lane: "priority", credit: next - fullCredit }
    : { lane: "general", credit: next }
}
