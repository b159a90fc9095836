/** Pseudo-random choices from a seed: the same seed gives the same choices, on every machine. */
export class Random {
  private state: number

  constructor(seed: string | number) {
    this.state = typeof seed === "number" ? seed | 0 : hash(seed)
  }

  /** From 0 up to 1, without 1. Mulberry32: 32 bits of state, which is plenty for one actor. */
  next(): number {
    this.state = (this.state + 0x6d2b79f5) | 0
    let mixed = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }

  /** A whole number from 0 up to `count`, without `count`. */
  below(count: number): number {
    return Math.floor(this.next() * count)
  }

  /** A whole number from `low` to `high`. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1)
  }

  chance(probability: number): boolean {
    return this.next() < probability
  }

  pick<A>(items: ReadonlyArray<A>): A {
    return items[this.below(items.length)]!
  }

  shuffle<A>(items: ReadonlyArray<A>): Array<A> {
    const shuffled = [...items]
    for (let i = shuffled.length - 1; i > 0; i--) {
      const j = this.below(i + 1)
      ;[shuffled[i], shuffled[j]] = [shuffled[j]!, shuffled[i]!]
    }
    return shuffled
  }

  fill(bytes: Uint8Array): void {
    for (let i = 0; i < bytes.length; i++) bytes[i] = this.below(256)
  }

  /** A source of its own for one actor, so that what one does changes nothing for another. */
  fork(): Random {
    return new Random(this.below(2 ** 31))
  }
}

/** FNV-1a, and its bits mixed once more, since seeds often differ in their last character alone. */
const hash = (text: string): number => {
  let mixed = 0x811c9dc5
  for (let i = 0; i < text.length; i++) mixed = Math.imul(mixed ^ text.charCodeAt(i), 0x01000193)
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x45d9f3b)
  return mixed ^ (mixed >>> 16)
}
