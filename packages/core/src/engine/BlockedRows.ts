/**
 * The rows that a batcher takes no commands for, since another transaction has locked them, and what
 * it remembers of them once they are released.
 *
 *            add  ┌─────────┐  release: free, handed over, or due  ┌──────────┐  forget: a batch
 *     free ──────▶│ blocked │─────────────────────────────────────▶│ released │──────────────▶ free
 *                 └─────────┘◀─────────────────────────────────────└──────────┘  got the row
 *                               add: a batch met the lock again
 *
 * The batcher clears it when no command waits.
 */

interface Block {
  /** The transaction that holds the row; `undefined` if the store does not show the lock. */
  readonly holder: string | undefined
  /** Until then only a free row is released; a row whose lock is not shown is tried again then. */
  readonly until: number
}

/**
 * For how long a row stays blocked after a full wait in vain, in milliseconds: doubled each time, up to
 * the last, and up to a quarter longer at random, so that many rows are not due at once.
 */
const backOffMs = [1_000, 8_000] as const
/** How often a row is released and lost again before a batch waits for it for the full time. */
const handoversMax = 4

export class BlockedRows {
  private readonly blocks = new Map<string, Block>()
  private readonly handovers = new Map<string, number>()
  /** For how long each row is blocked the next time. */
  private readonly backOffs = new Map<string, number>()
  /**
   * Rows that change hands too often to be had by brief waits: a batch waits for these for the full
   * time.
   */
  readonly contested = new Set<string>()
  /** Released rows whose lock the store did not show: one command tries for each. */
  readonly onTrial = new Set<string>()

  get size(): number {
    return this.blocks.size
  }

  has(row: string): boolean {
    return this.blocks.has(row)
  }

  /** Blocks a row. After a brief wait in vain, a row that changes hands may be released at once. */
  add(row: string, holder: string | undefined, wasBrief: boolean): void {
    this.onTrial.delete(row)
    const backOff = this.backOffs.get(row) ?? backOffMs[0]
    if (!wasBrief) {
      this.handovers.delete(row)
      this.contested.delete(row)
      this.backOffs.set(row, Math.min(2 * backOff, backOffMs[1]))
    }
    const forMs = wasBrief ? 0 : backOff * (1 + Math.random() / 4)
    this.blocks.set(row, { holder, until: performance.now() + forMs })
  }

  /** Releases the rows that are free, that only change hands, or that are due, given all locks. */
  release(holders: ReadonlyMap<string, string>): void {
    for (const [row, { holder, until }] of this.blocks) {
      const isDue = performance.now() >= until
      if (holder === undefined) {
        if (isDue) this.tryAgain(row)
      } else if (!holders.has(row)) {
        this.blocks.delete(row)
      } else if (isDue && holders.get(row) !== holder) {
        this.handOver(row)
      }
    }
  }

  private tryAgain(row: string): void {
    this.blocks.delete(row)
    this.onTrial.add(row)
  }

  private handOver(row: string): void {
    this.blocks.delete(row)
    const handovers = (this.handovers.get(row) ?? 0) + 1
    this.handovers.set(row, handovers)
    // Guard batch-starved: without it, Batcher.test "again and again" fails.
    if (handovers >= handoversMax) this.contested.add(row)
  }

  /** Forgets the blocked rows that no command waits for. */
  keepOnly(rows: ReadonlySet<string>): void {
    if (rows.size === this.blocks.size) return
    for (const row of this.blocks.keys()) {
      if (rows.has(row)) continue
      this.blocks.delete(row)
      this.forget([row])
    }
  }

  /** Whether there is anything to forget. */
  get remembersAny(): boolean {
    return this.handovers.size + this.onTrial.size + this.backOffs.size > 0
  }

  /** Forgets what it remembered of rows: a batch has locked them. */
  forget(rows: Iterable<string>): void {
    for (const row of rows) {
      this.handovers.delete(row)
      this.contested.delete(row)
      this.onTrial.delete(row)
      this.backOffs.delete(row)
    }
  }

  clear(): void {
    for (const rows of [this.blocks, this.handovers, this.backOffs, this.contested, this.onTrial]) {
      rows.clear()
    }
  }
}
