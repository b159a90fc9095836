/** What worlds did, by name. */
export class Counts {
  readonly byName = new Map<string, number>()

  readonly count = (what: string, times = 1): void => {
    this.byName.set(what, (this.byName.get(what) ?? 0) + times)
  }

  add(other: Iterable<readonly [string, number]>): void {
    for (const [what, times] of other) this.count(what, times)
  }
}
