/**
 * A sequence. Transactions do not undo it, so its values have gaps. It writes ahead to the log, as
 * Postgres does: after a crash it goes on behind what the log has, so that it skips values whose record
 * was durable, and gives those again whose record was not.
 */

/** How many values one record of the log covers beside the one that it is written for. */
const valuesPerRecord = 32n

export class Sequence {
  private last = 0n
  private logged = 0n
  private durable = 0n
  private readonly log: (record: () => void) => void

  constructor(log: (record: () => void) => void) {
    this.log = log
  }

  /** Whether the next value has no record in the log yet. */
  get needsRecord(): boolean {
    return this.last === this.logged
  }

  next(): bigint {
    const needsRecord = this.needsRecord
    this.last++
    if (needsRecord) {
      const upTo = this.last + valuesPerRecord
      this.logged = upTo
      this.log(() => {
        this.durable = upTo
      })
    }
    return this.last
  }

  /** After a crash. */
  recover(): void {
    this.last = this.durable
    this.logged = this.durable
  }
}
