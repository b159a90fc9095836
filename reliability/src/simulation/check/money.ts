/** I1 to I4 and I10: wallets, transfers, payments and refunds. */
import { type Facts, type Finding, groupBy } from "./facts.ts"

export const checkMoney = ({ rows }: Facts): ReadonlyArray<Finding> => {
  const findings: Array<Finding> = []
  const find = (invariant: string, text: string) => findings.push({ invariant, text })
  const byUser = groupBy(rows.transfers, ({ userId }) => userId)
  for (const { userId, balance, version, currency } of rows.wallets) {
    const transfers = (byUser.get(userId) ?? []).toSorted((a, b) => a.version - b.version)
    let sum = 0n
    for (const [i, transfer] of transfers.entries()) {
      sum += transfer.amount
      if (transfer.version !== i + 1) {
        find("I2", `${userId}: transfer ${i + 1} has the version ${transfer.version}`)
      }
      if (transfer.balance !== sum) {
        find("I2", `${userId}: the balance after version ${transfer.version} is not its sum`)
      }
      if (sum < 0n) find("I4", `${userId}: the wallet was negative at version ${transfer.version}`)
      if (transfer.currency !== currency) find("I1", `${userId}: two currencies`)
    }
    if (balance !== sum || version !== transfers.length) {
      find("I2", `${userId}: the wallet says ${balance} at ${version}, its transfers ${sum}`)
    }
  }
  for (const userId of byUser.keys()) {
    if (!rows.wallets.some((wallet) => wallet.userId === userId)) {
      find("I2", `${userId} has transfers and no wallet`)
    }
  }
  for (const [reservationId, transfers] of groupBy(
    rows.transfers.filter(({ kind }) => kind !== "charge"),
    (transfer) => transfer.reservationId ?? ""
  )) {
    const paid = transfers.filter(({ kind }) => kind === "payment")
    const back = transfers.filter(({ kind }) => kind === "refund")
    const sumOf = (some: typeof transfers) => some.reduce((sum, { amount }) => sum + amount, 0n)
    if (paid.length > 1) find("I7", `${reservationId} was paid ${paid.length} times`)
    if (back.length > 1) find("I10", `${reservationId} was refunded ${back.length} times`)
    if (sumOf(back) > -sumOf(paid)) find("I10", `${reservationId}: more came back than was paid`)
  }
  return findings
}
