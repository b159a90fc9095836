/**
 * The places of those who left a line early, counted: a Fenwick tree. A million places take 4 MB;
 * adding one and counting up to one take 20 steps each.
 */
export class DepartureTree {
  private base: number
  private tree = new Int32Array(1_025)

  /** Places up to `base` are nobody's business any more. */
  constructor(base: number) {
    this.base = base
  }

  add(place: number): void {
    const start = place - this.base
    if (start < 1) return
    while (start >= this.tree.length) this.grow()
    for (let i = start; i < this.tree.length; i += i & -i) this.tree[i]!++
  }

  /** How many left from the places above `low` and up to `high`. */
  between(low: number, high: number): number {
    return high <= low ? 0 : this.upTo(high) - this.upTo(low)
  }

  has(place: number): boolean {
    return this.between(place - 1, place) > 0
  }

  /** Forgets the places up to one that the line has passed, once these are most of what is kept. */
  pass(place: number): void {
    const passed = place - this.base
    const size = this.tree.length - 1
    if (passed < 1 << 20 || passed < size / 2) return
    // Unsums the tree in place, which leaves how many left from each place, 0 or 1.
    for (let i = size; i > 0; i--) {
      const parent = i + (i & -i)
      if (parent <= size) this.tree[parent]! -= this.tree[i]!
    }
    const left = this.tree
    this.tree = new Int32Array(1_025)
    const before = this.base
    this.base = place
    for (let i = passed + 1; i <= size; i++) if (left[i]! > 0) this.add(before + i)
  }

  private upTo(place: number): number {
    let sum = 0
    for (let i = Math.min(place - this.base, this.tree.length - 1); i > 0; i -= i & -i) {
      sum += this.tree[i]!
    }
    return sum
  }

  // The size is a power of two, at which the tree holds the sum of everything.
  private grow(): void {
    const size = this.tree.length - 1
    const tree = new Int32Array(2 * size + 1)
    tree.set(this.tree)
    tree[2 * size] = this.tree[size]!
    this.tree = tree
  }
}
