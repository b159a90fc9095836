/** Locks of rows, in the four strengths of Postgres. */
import type { Transaction } from "./Transaction.ts"

/** From the weakest to the strongest. */
const lockModes = ["KEY SHARE", "SHARE", "NO KEY UPDATE", "UPDATE"] as const
export type LockMode = (typeof lockModes)[number]

const rank = (mode: LockMode): number => lockModes.indexOf(mode)

/** KEY SHARE leaves room for all but UPDATE; SHARE leaves room for the two weaker modes alone. */
const conflict = (a: LockMode, b: LockMode): boolean => {
  const [weaker, stronger] = rank(a) < rank(b) ? [a, b] : [b, a]
  if (stronger === "UPDATE") return true
  if (stronger === "NO KEY UPDATE") return weaker !== "KEY SHARE"
  return false
}

/** The transactions that have locked a row, whichever of its versions. */
export class Lockers {
  private readonly modes = new Map<Transaction, LockMode>()

  /** A transaction that must end before `own` can lock the row in this mode. */
  blocker(own: Transaction, mode: LockMode): Transaction | undefined {
    if (this.modes.size === 0) return undefined
    for (const [transaction, held] of this.modes) {
      if (transaction !== own && conflict(held, mode)) return transaction
    }
    return undefined
  }

  add(transaction: Transaction, mode: LockMode): void {
    const held = this.modes.get(transaction)
    if (held === undefined) transaction.locked.add(this)
    if (held === undefined || rank(held) < rank(mode)) this.modes.set(transaction, mode)
  }

  remove(transaction: Transaction): void {
    this.modes.delete(transaction)
  }
}
