/**
 * Locks of names, held until the transaction ends. They are given in the order of asking: a shared one
 * stands behind an exclusive one that waits.
 */
import type { Steps, Transaction } from "./Transaction.ts"

type Mode = "shared" | "exclusive"

interface Lock {
  readonly holders: Map<Transaction, Mode>
  readonly waiting: Map<Transaction, Mode>
}

const conflict = (a: Mode, b: Mode): boolean => a === "exclusive" || b === "exclusive"

export class AdvisoryLocks {
  private readonly locks = new Map<string, Lock>()

  /** Takes the lock, or gives the transaction that it would have to wait for. */
  tryTake(transaction: Transaction, name: string, mode: Mode): Transaction | undefined {
    const lock = this.lockOf(transaction, name)
    const blocker = blockerOf(lock, transaction, mode)
    if (blocker === undefined) hold(lock, transaction, mode)
    return blocker
  }

  *take(transaction: Transaction, name: string, mode: Mode): Steps<void> {
    const lock = this.lockOf(transaction, name)
    for (;;) {
      const blocker = blockerOf(lock, transaction, mode)
      if (blocker === undefined) break
      if (!lock.waiting.has(transaction)) lock.waiting.set(transaction, mode)
      yield { on: blocker, what: lock }
    }
    lock.waiting.delete(transaction)
    hold(lock, transaction, mode)
  }

  private lockOf(transaction: Transaction, name: string): Lock {
    const lock = this.locks.get(name) ?? { holders: new Map(), waiting: new Map() }
    this.locks.set(name, lock)
    transaction.atEnd.push(() => {
      lock.holders.delete(transaction)
      lock.waiting.delete(transaction)
      if (lock.holders.size + lock.waiting.size === 0) this.locks.delete(name)
    })
    return lock
  }
}

const hold = ({ holders }: Lock, transaction: Transaction, mode: Mode): void => {
  if (holders.get(transaction) !== "exclusive") holders.set(transaction, mode)
}

const blockerOf = (
  { holders, waiting }: Lock,
  own: Transaction,
  mode: Mode
): Transaction | undefined => {
  for (const [transaction, held] of holders) {
    if (transaction !== own && conflict(held, mode)) return transaction
  }
  if (holders.has(own)) return undefined
  for (const [transaction, asked] of waiting) {
    if (transaction === own) return undefined
    if (conflict(asked, mode)) return transaction
  }
  return undefined
}
