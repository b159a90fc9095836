/**
 * Who of those who wait has been asking lately. A node notes it in memory, a bit a number, and
 * hands it to the store about once a minute: a million who wait are 250 rows of half a kilobyte,
 * where a time of its own for each would be a million writes.
 */

import type { QueueTokenPayload } from "../../token/format.ts"
import type { QueueLane } from "../model.ts"

/** How many numbers share a block. */
export const numbersPerBlock = 4_096

/** How often a node hands its sightings over, in seconds. */
export const presencePeriodSeconds = 60

/**
 * How late a note can be, in seconds: a node hands over once a period, and the node that noted it
 * last may have died with its notes, so that another one notes it in the period after; and a note is
 * on its way for a moment. A present user must not lose a place to that.
 */
const notesLateSeconds = 2 * presencePeriodSeconds + 5

/**
 * After how many seconds without a note a user counts as absent. A node that cannot reach the store
 * answers for `awaySeconds` more, and its notes of that time are as late.
 */
export const absentAfterSeconds = (absenceSeconds: number, awaySeconds = 0): number =>
  absenceSeconds + notesLateSeconds + Math.max(0, awaySeconds - presencePeriodSeconds)

/** Who of one block was seen: bit n stands for the n-th number of the block. */
export interface Sighting {
  readonly lane: QueueLane
  readonly block: number
  readonly seen: Uint8Array
}

export class Presence {
  private blocks = new Map<number, Sighting>()

  mark({ place }: QueueTokenPayload): void {
    if (place === undefined) return
    const block = Math.floor(place.number / numbersPerBlock)
    const key = keyOf(place.lane, block)
    let sighting = this.blocks.get(key)
    if (sighting === undefined) {
      sighting = { lane: place.lane, block, seen: new Uint8Array(numbersPerBlock / 8) }
      this.blocks.set(key, sighting)
    }
    const bit = place.number % numbersPerBlock
    sighting.seen[bit >> 3]! |= 1 << (bit & 7)
  }

  /** Whether a number was seen since the last hand-over. */
  has(lane: QueueLane, number: bigint): boolean {
    const block = Number(number / BigInt(numbersPerBlock))
    const sighting = this.blocks.get(keyOf(lane, block))
    return (
      sighting !== undefined && wasSeen(sighting.seen, Number(number % BigInt(numbersPerBlock)))
    )
  }

  /** Hands over what was seen, and begins anew. */
  take(): ReadonlyArray<Sighting> {
    const taken = Array.from(this.blocks.values())
    this.blocks = new Map()
    return taken
  }

  /** Takes back what could not be handed over. */
  putBack(sightings: ReadonlyArray<Sighting>): void {
    for (const { lane, block, seen } of sightings) {
      const mine = this.blocks.get(keyOf(lane, block))
      if (mine === undefined) this.blocks.set(keyOf(lane, block), { lane, block, seen })
      else for (let i = 0; i < seen.length; i++) mine.seen[i]! |= seen[i]!
    }
  }
}

// A number, not a text: it is made with every poll.
const keyOf = (lane: QueueLane, block: number): number => 2 * block + (lane === "priority" ? 1 : 0)

/** Whether a sighting has a number of its block. */
export const wasSeen = (seen: Uint8Array, number: number): boolean => {
  const bit = number % numbersPerBlock
  return (seen[bit >> 3]! & (1 << (bit & 7))) !== 0
}
