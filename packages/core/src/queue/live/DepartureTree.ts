/**
 * Counts the tokens that left a lane before they were admitted, by place: a Fenwick tree.
 *
 * A place is a token's rank in the order of its lane: its number, or the drawn place of a token
 * that took part in a draw. The tree keeps the departures above `base` for as long as its
 * `LiveQueue` lives; `pass` drops those that the cursor has passed. A million places take 4 MB;
 * adding one and counting up to one take 20 steps each.
 */
export class DepartureTree {
  private base: number
  private tree = new Int32Array(1_025)

  /** Ignores the places up to `base`: their tokens no longer wait. */
  constructor(base: number) {
    this.base = base
  }

  add(place: number): void {
    const start = place - this.base
    if (start < 1) return
    while (start >= this.tree.length) this.grow()
    for (let i = start; i < this.tree.length; i += i & -i) this.tree[i]!++
  }

  /** How many tokens left from the places above `low` and up to `high`. */
  between(low: number, high: number): number {
    return high <= low ? 0 : this.countUpTo(high) - this.countUpTo(low)
  }

  has(place: number): boolean {
    return this.between(place - 1, place) > 0
  }

  /**
   * Drops the places up to `place`, which the cursor has passed, once they are at least 2^20 and
   * half of the tree. Rebuilding the tree costs as much as its size, so it must pay off.
   */
  pass(place: number): void {
    const passed = place - this.base
    const size = this.tree.length - 1
    if (passed < 1 << 20 || passed < size / 2) return
    // Turns the sums back into the count of each place, 0 or 1, in the same array.
    for (let i = size; i > 0; i--) {
      const parent = i + (i & -i)
      if (parent <= size) this.tree[parent]! -= this.tree[i]!
    }
    const counts = this.tree
    this.tree = new Int32Array(1_025)
    const oldBase = this.base
    this.base = place
    for (let i = passed + 1; i <= size; i++) if (counts[i]! > 0) this.add(oldBase + i)
  }

  private countUpTo(place: number): number {
    let sum = 0
    for (let i = Math.min(place - this.base, this.tree.length - 1); i > 0; i -= i & -i) {
      sum += this.tree[i]!
    }
    return sum
  }

  // The size is a power of two, and the entry at that index is the sum of all places.
  private grow(): void {
    const size = this.tree.length - 1
    const tree = new Int32Array(2 * size + 1)
    tree.set(this.tree)
    tree[2 * size] = this.tree[size]!
    this.tree = tree
  }
}
