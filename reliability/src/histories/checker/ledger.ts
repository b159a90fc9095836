/** I1 to I4 and I10: the books, recomputed from the transfers. */

import type { TransferFact } from "../facts.ts"
import { groupBy } from "../groupBy.ts"
import type { Evidence } from "./evidence.ts"
import type { Judge } from "./judge.ts"

export const checkLedger = ({ facts }: Evidence, judge: Judge): void => {
  const byUser = groupBy(facts.transfers, ({ user }) => user)
  for (const [user, unordered] of byUser) {
    const transfers = [...unordered].sort((a, b) => a.version - b.version)
    let balance = 0
    for (const [at, transfer] of transfers.entries()) {
      balance += transfer.amount
      judge.expect(
        "I2",
        transfer.version === at + 1,
        () => `${user}: version ${transfer.version} where ${at + 1} is due`
      )
      judge.expect(
        "I2",
        transfer.balance === balance,
        () =>
          `${user}: version ${transfer.version} says ${transfer.balance}, its entries ${balance}`
      )
      judge.expect(
        "I3",
        hasSignOfKind(transfer),
        () => `${transfer.kind} ${transfer.id} is of ${transfer.amount}`
      )
      judge.expect(
        "I4",
        balance >= 0,
        () => `${user} had ${balance} after version ${transfer.version}`
      )
    }
    const wallet = facts.wallets.find((row) => row.user === user)
    const agrees = wallet?.balance === balance && wallet.version === transfers.length
    judge.expect(
      "I2",
      agrees,
      () =>
        `the wallet of ${user} is ${JSON.stringify(wallet)}, its entries say ${balance} at version ${transfers.length}`
    )
  }
  const sum = (rows: ReadonlyArray<{ amount: number }>) =>
    rows.reduce((sum, row) => sum + row.amount, 0)
  const inWallets = facts.wallets.reduce((sum, { balance }) => sum + balance, 0)
  judge.expect(
    "I1",
    inWallets === sum(facts.transfers),
    () => `the wallets have ${inWallets}, the counter accounts ${-sum(facts.transfers)}`
  )
  const byReservation = groupBy(
    facts.transfers.filter(({ reservation }) => reservation !== null),
    ({ reservation }) => reservation
  )
  for (const [reservation, rows] of byReservation) {
    judge.expect(
      "I10",
      sum(rows) <= 0,
      () => `reservation ${reservation} was given back ${sum(rows)} more than it was paid`
    )
    const payments = rows.filter(({ kind }) => kind === "payment").length
    const refunds = rows.length - payments
    judge.expect(
      "I10",
      payments === 1 && refunds <= 1,
      () => `reservation ${reservation} has ${payments} payments and ${refunds} refunds`
    )
  }
}

const hasSignOfKind = ({ kind, amount }: TransferFact): boolean =>
  kind === "payment" ? amount < 0 : amount > 0
