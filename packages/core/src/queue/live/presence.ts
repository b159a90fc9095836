/**
 * Presence: which waiting users poll.
 *
 * Holds: one bit per number of a lane, in blocks of 4,096. Each poll of a waiting token sets its
 * bit. The bits stay in memory until the node flushes them to the store, about once a minute. A
 * million waiting users are 250 rows of half a kilobyte, where a time per user would be a million
 * writes.
 *
 * States of a block: marked (in `blocks`), then taken (on its way to the store), and marked again
 * if the flush failed (`putBack`).
 */

import type { QueueTokenPayload } from "../../token/format.ts"
import type { QueueLane } from "../model.ts"

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

export class Presence {
  private blocks = new Map<number, Sighting>()

  /** Marks the user of a token as present. */
  mark({ entry }: QueueTokenPayload): void {
    if (entry === undefined) return
    const block = Math.floor(entry.number / numbersPerBlock)
    const key = keyOf(entry.lane, block)
    let sighting = this.blocks.get(key)
    if (sighting === undefined) {
      sighting = { lane: entry.lane, block, seen: new Uint8Array(numbersPerBlock / 8) }
      this.blocks.set(key, sighting)
    }
    const bit = entry.number % numbersPerBlock
    sighting.seen[bit >> 3]! |= 1 << (bit & 7)
  }

  /** Whether a number was marked since the last flush. */
  has(lane: QueueLane, number: bigint): boolean {
    const block = Number(number / BigInt(numbersPerBlock))
    const sighting = this.blocks.get(keyOf(lane, block))
    return (
      sighting !== undefined && wasSeen(sighting.seen, Number(number % BigInt(numbersPerBlock)))
    )
  }

  /** Removes and returns all marks. */
  take(): ReadonlyArray<Sighting> {
    const taken = Array.from(this.blocks.values())
    this.blocks = new Map()
    return taken
  }

  /** Merges marks that could not be flushed with those made since. */
  putBack(sightings: ReadonlyArray<Sighting>): void {
    for (const { lane, block, seen } of sightings) {
      const newer = this.blocks.get(keyOf(lane, block))
      if (newer === undefined) this.blocks.set(keyOf(lane, block), { lane, block, seen })
      else for (let i = 0; i < seen.length; i++) newer.seen[i]! |= seen[i]!
    }
  }
}

// A number, not a string: every poll makes one.
const keyOf = (lane: QueueLane, block: number): number => 2 * block + (lane === "priority" ? 1 : 0)

/** Whether the marks of a block have a number of it. */
export const wasSeen = (seen: Uint8Array, number: number): boolean => {
  const bit = number % numbersPerBlock
  return (seen[bit >> 3]! & (1 << (bit & 7))) !== 0
}
