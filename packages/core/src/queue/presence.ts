/** Presence: which waiting users poll, as blocks of one bit for each number; and when one is absent. */
import type { QueueLane } from "./model.ts"

/** How many numbers share a block. */
export const numbersPerBlock = 4_096

/** How often a node flushes its marks to the store, in seconds. */
export const presencePeriodSeconds = 60

/**
 * How late a mark can reach the store, in seconds: a node flushes once a period; the node that
 * marked the user last may have died before it flushed, so that another node marks the user in the
 * period after; and a flush takes a moment. A present user must not be removed because of that.
 */
const flushDelayMaxSeconds = 2 * presencePeriodSeconds + 5

/**
 * After how many seconds without a mark in the store a user counts as absent. A node that cannot
 * reach the store answers polls for `staleSeconds` more, and its marks of that time arrive as late.
 */
export const absentAfterSeconds = (absenceSeconds: number, staleSeconds = 0): number =>
  absenceSeconds + flushDelayMaxSeconds + Math.max(0, staleSeconds - presencePeriodSeconds)

/** The marks of one block: bit n stands for the n-th number of the block. */
export interface Sighting {
  readonly lane: QueueLane
  readonly block: number
  readonly seen: Uint8Array
}

/** Whether the marks of a block have a number of it. */
export const wasSeen = (seen: Uint8Array, number: number): boolean => {
  const bit = number % numbersPerBlock
  return (seen[bit >> 3]! & (1 << (bit & 7))) !== 0
}
