/**
 * The values that were used last, as many as are wanted at the least and twice as many at the most.
 *
 * In two generations: when the young one is full it becomes the old one, and what was in that is
 * forgotten; whoever is found in the old one is young again. Dropping the oldest entry of a map one
 * by one looks simpler, but a map keeps holes where entries were, and walks over them to find its
 * first: with 50,000 kept and nobody found again, 11.6 µs a key in place of 0.3.
 */
export class RecentMap<K, V> {
  private young = new Map<K, V>()
  private old = new Map<K, V>()
  private readonly keep: number

  constructor(keep: number) {
    this.keep = keep
  }

  get(key: K): V | undefined {
    const young = this.young.get(key)
    if (young !== undefined) return young
    const old = this.old.get(key)
    if (old !== undefined) this.set(key, old)
    return old
  }

  set(key: K, value: V): void {
    if (this.young.size >= this.keep && !this.young.has(key)) {
      this.old = this.young
      this.young = new Map()
    }
    this.young.set(key, value)
  }

  delete(key: K): void {
    this.young.delete(key)
    this.old.delete(key)
  }
}
