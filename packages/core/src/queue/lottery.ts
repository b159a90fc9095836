/**
 * The draw: users who join before a queue opens get their places by lot, and any client can check
 * it.
 *
 * Before the opening: the seed is made together with the queue, and its SHA-256 is published. Each
 * user who joins takes the next number, 1, 2, 3 and so on. At the opening, the seed and the count n
 * of these users are published. They alone decide: the place of a number is a permutation of 1 to n
 * under the key SHA-256("<seed>:<queueId>:<n>"). A person who reads the seed in the database before
 * the opening can add joins until n gives a number of theirs a good place: the draw does not
 * protect against that.
 *
 * No place is stored: it is computed from the number, and the number from the place, in 4 µs.
 */
import { hash } from "node:crypto"
import type { QueueId } from "../Ids.ts"

/** The inputs of a draw: they determine every place. */
export interface Draw {
  readonly queueId: QueueId
  /** 64 hex digits. */
  readonly seed: string
  /** How many numbers take part. */
  readonly drawn: number
}

/** The SHA-256 of a seed, in hex, which is published before the draw. */
export const commitmentOf = (seed: string): string => hash("sha256", seed)

const rounds = 8

/** The permutation of a draw, both ways. Numbers and places go from 1 to `drawn`. */
export const permutationOf = ({ queueId, seed, drawn }: Draw) => {
  const key = hash("sha256", `${seed}:${queueId}:${drawn}`)
  // A Feistel network over a grid of a × b cells, hardly more than there are numbers. A result
  // beyond the last number goes through the network again until it is within.
  const a = Math.ceil(Math.sqrt(drawn))
  const b = Math.ceil(drawn / a)
  const mix = (round: number, value: number): number =>
    Number.parseInt(hash("sha256", `${key}:${round}:${value}`).slice(0, 12), 16)

  const forward = (x: number): number => {
    let left = x % a
    let right = Math.floor(x / a)
    for (let round = 0; round < rounds; round++) {
      if (round % 2 === 0) left = (left + mix(round, right)) % a
      else right = (right + mix(round, left)) % b
    }
    return right * a + left
  }
  const backward = (x: number): number => {
    let left = x % a
    let right = Math.floor(x / a)
    for (let round = rounds - 1; round >= 0; round--) {
      if (round % 2 === 0) left = floorMod(left - mix(round, right), a)
      else right = floorMod(right - mix(round, left), b)
    }
    return right * a + left
  }
  const walk = (step: (x: number) => number) => (from: number) => {
    let x = step(from - 1)
    while (x >= drawn) x = step(x)
    return x + 1
  }
  return { placeOf: walk(forward), numberAt: walk(backward) }
}

const floorMod = (value: number, modulus: number): number => {
  const rest = value % modulus
  return rest < 0 ? rest + modulus : rest
}

/** A draw with its commitment: all that a user needs to check it. */
export interface PublishedDraw extends Draw {
  /** The commitment that was published before the opening. */
  readonly commitment: string
}

/**
 * Checks a draw. `kept` says whether the seed matches the commitment; `places` has the place of
 * each of the given numbers, in their order. Throws a `RangeError` for a number that did not take
 * part.
 *
 * @example
 * ```ts
 * import { commitmentOf, verifyLottery } from "@boxoffice/core"
 *
 * const seed = "00".repeat(32)
 * const draw = { queueId: "main" as never, seed, drawn: 3, commitment: commitmentOf(seed) }
 * const { kept, places } = verifyLottery(draw, [1, 2, 3])
 * console.log(kept, places.toSorted())
 * ```
 */
export const verifyLottery = (
  draw: PublishedDraw,
  numbers: Iterable<number>
): { readonly kept: boolean; readonly places: ReadonlyArray<number> } => {
  const { placeOf } = permutationOf(draw)
  const places = Array.from(numbers, (number) => {
    if (!Number.isSafeInteger(number) || number < 1 || number > draw.drawn) {
      throw new RangeError(`${number} did not take part: the numbers go from 1 to ${draw.drawn}.`)
    }
    return placeOf(number)
  })
  return { kept: commitmentOf(draw.seed) === draw.commitment, places }
}
