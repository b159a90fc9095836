/** What the doctor finds. */

export interface Finding {
  /**
   * `problem`: something will fail, or is not guarded. `warning`: it works, and something about it
   * is unwise. `note`: worth knowing, and possibly meant.
   */
  readonly level: "problem" | "warning" | "note"
  /** Stable, for scripts: such as `index_missing` or `clock_skew`. */
  readonly code: string
  /** What it is about, such as `constraint seat_pkey of seat`. */
  readonly subject: string
  /** What is the matter, in a sentence or two. */
  readonly message: string
  /** What to do about it. */
  readonly remedy: string
  /** A statement that does so. Read it first: it may lock, or fail on the rows that are there. */
  readonly sql?: string
}
