/** Where in its lane a token stands, and how the two lanes take turns. Pure. */
import { permutationOf } from "./lottery.ts"
import type { Line, QueueLane, QueueRow } from "./model.ts"

/** What a place follows from. */
export type Placing = Pick<QueueRow, "queueId" | "opening" | "drawn">

/** Whether the queue still collects people, so that nobody has a place yet. */
export const isCollecting = ({ opening }: Pick<QueueRow, "opening">): boolean =>
  opening !== null && opening.openedAt === null

/** The place of a number: the number itself, but for those who took part in a draw. */
export const placeOf = (queue: Placing, lane: QueueLane, number: bigint): bigint => {
  if (lane !== "general" || number > queue.drawn || queue.opening === null) return number
  return BigInt(drawOf(queue).placeOf(Number(number)))
}

/** The number at a place: see {@link placeOf}. */
export const numberAt = (queue: Placing, lane: QueueLane, place: bigint): bigint => {
  if (lane !== "general" || place > queue.drawn || queue.opening === null) return place
  return BigInt(drawOf(queue).numberAt(Number(place)))
}

const drawOf = ({ queueId, opening, drawn }: Placing) =>
  permutationOf({ queueId, seed: opening!.seed, drawn: Number(drawn) })

export const lineOf = (queue: QueueRow, lane: QueueLane): Line =>
  lane === "general" ? queue : queue.priority

export const withLine = (queue: QueueRow, lane: QueueLane, change: Partial<Line>): QueueRow =>
  lane === "general"
    ? { ...queue, ...change }
    : { ...queue, priority: { ...queue.priority, ...change } }

/** How many wait in both lanes. */
export const waitingIn = (queue: QueueRow): number => queue.waiting + queue.priority.waiting

/** Turns of the lanes, each worth the priority lane's share: at 100 it is that lane's turn. */
const turns = 100

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
  return next >= turns ? { lane: "priority", turn: next - turns } : { lane: "general", turn: next }
}
