/** Counts what was checked, and keeps what did not hold. */
export interface Finding {
  readonly invariant: string
  readonly story: string
}

export interface Verdict {
  readonly findings: ReadonlyArray<Finding>
  /** How many statements were checked, by invariant. */
  readonly checks: ReadonlyMap<string, number>
  /** How many of them did not hold, by invariant: also those that no finding tells. */
  readonly broken: ReadonlyMap<string, number>
}

/** More of one kind would say nothing new. */
const storiesMax = 20

export class Judge {
  readonly #findings: Array<Finding> = []
  readonly #checks = new Map<string, number>()
  readonly #broken = new Map<string, number>()

  expect(invariant: string, holds: boolean, story: () => string): void {
    this.#checks.set(invariant, (this.#checks.get(invariant) ?? 0) + 1)
    if (holds) return
    const broken = (this.#broken.get(invariant) ?? 0) + 1
    this.#broken.set(invariant, broken)
    if (broken <= storiesMax) this.#findings.push({ invariant, story: story() })
  }

  verdict(): Verdict {
    return { findings: this.#findings, checks: this.#checks, broken: this.#broken }
  }
}
