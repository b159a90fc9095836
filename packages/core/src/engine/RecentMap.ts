/**
 * The most recently used values: at least `keep` of them, and at most twice as many.
 *
 * It holds two generations. When the young one is full it becomes the old one, and the old one is
 * dropped; an entry found in the old generation moves to the young one. Deleting the oldest entry of a
 * `Map` one by one looks simpler, but a `Map` walks over the holes of deleted entries to find its first:
 * with 50,000 entries and no hits, 11.6 µs a key in place of 0.3.
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
    // Guard recent-bound: with "false" for "this.young.size >= this.keep", RecentMap.test "never more than twice as many" fails.
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
