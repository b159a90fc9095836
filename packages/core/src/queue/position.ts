import type { Heads } from "../engine/LoadPlan.ts"
import { permutationOf } from "./lottery.ts"
import type { LaneRow, QueueLane, QueueRow, TokenRow } from "./model.ts"

/** What a place follows from. */
export type DrawState = Pick<QueueRow, "queueId" | "opening" | "drawSize">

/** Whether the queue still collects people, so that nobody has a place yet. */
export const isPreOpening = ({ opening }: Pick<QueueRow, "opening">): boolean =>
  opening !== null && opening.openedAt === null

/** The place of a number: the number itself, but for those who took part in a draw. */
export const positionOf = (queue: DrawState, lane: QueueLane, number: bigint): bigint => {
  if (lane !== "general" || number > queue.drawSize || queue.opening === null) return number
  return BigInt(drawOf(queue).placeOf(Number(number)))
}

/** The number at a place: see {@link positionOf}. */
export const numberAt = (queue: DrawState, lane: QueueLane, place: bigint): bigint => {
  if (lane !== "general" || place > queue.drawSize || queue.opening === null) return place
  return BigInt(drawOf(queue).numberAt(Number(place)))
}

const drawOf = ({ queueId, opening, drawSize }: DrawState) =>
  permutationOf({ queueId, seed: opening!.seed, drawn: Number(drawSize) })

export const laneRow = (queue: QueueRow, lane: QueueLane): LaneRow =>
  lane === "general" ? queue : queue.priority

export const withLaneRow = (
  queue: QueueRow,
  lane: QueueLane,
  change: Partial<LaneRow>
): QueueRow =>
  lane === "general"
    ? { ...queue, ...change }
    : { ...queue, priority: { ...queue.priority, ...change } }

/** A token next in line that a batch did not load, since another transaction has it locked. */
export type SkippedHead = Pick<TokenRow, "queueId" | "lane" | "number">

/**
 * A queue with what of its lanes was loaded: everyone who waits up to which place. A store loads by
 * {@link Heads}; each store must say it alike, so it is said here. Nobody is loaded from the first
 * skipped place on, or those behind it would be admitted first.
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
  /** By number: the first `limit` behind the cursor, and behind the drawn, are among the loaded. */
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
      .map(({ number }) => positionOf(queue, lane, number) - 1n)
      .reduce(least, headsLoadedTo(lane))
  const general = withLaneRow(queue, "general", { headsLoadedTo: beforeSkipped("general") })
  return withLaneRow(general, "priority", { headsLoadedTo: beforeSkipped("priority") })
}

const least = (a: bigint, b: bigint): bigint => (a < b ? a : b)

const ascending = (a: bigint, b: bigint): number => (a < b ? -1 : 1)

/** How many wait in both lanes. */
export const waitingIn = (queue: QueueRow): number => queue.waiting + queue.priority.waiting

/** Turns of the lanes, each worth the priority lane's share: at 100 it is that lane's turn. */
const fullCredit = 100

/**
 * Whose turn it is, and what the turn is then. A lane that waits alone goes first without using up
 * anybody's turn.
 */
export const nextLane = (
  waits: { readonly general: boolean; readonly priority: boolean },
  turn: number,
  sharePercent: number
): { readonly lane: QueueLane; readonly turn: number } => {
  if (!waits.priority) return { lane: "general", turn }
  if (!waits.general) return { lane: "priority", turn }
  const next = turn + sharePercent
  return next >= fullCredit
    ? { lane: "priority", turn: next - fullCredit }
    : { lane: "general", turn: next }
}
