/** The findings of the doctor. */

export interface Finding {
  /**
   * `problem`: something will fail, or a rule is not enforced. `warning`: it works, but it is
   * risky. `note`: worth knowing, and possibly intended.
   */
  readonly level: "problem" | "warning" | "note"
  /** Stable, for scripts: such as `index_missing` or `clock_skew`. */
  readonly code: string
  /** The subject, such as `constraint seat_pkey of seat`. */
  readonly subject: string
  /** The finding, in a sentence or two. */
  readonly message: string
  /** How to fix it. */
  readonly remedy: string
  /** A statement that fixes it. Read it first: it may lock a table, or fail on existing rows. */
  readonly sql?: string
}
