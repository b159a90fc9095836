/**
 * The presence marks of a node: which waiting users have polled it. See `queue/presence.ts`.
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
import { numbersPerBlock, type Sighting, wasSeen } from "../presence.ts"

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
