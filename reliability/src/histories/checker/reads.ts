/** What was answered before a read began must be visible to it: balances, reservations, modes. */
import { groupBy } from "../groupBy.ts"
import type { Call } from "../history.ts"
import { type Evidence, told } from "./evidence.ts"
import type { Judge } from "./judge.ts"

export const checkReads = (evidence: Evidence, judge: Judge): void => {
  checkBalances(evidence, judge)
  checkReservations(evidence, judge)
  checkModes(evidence, judge)
}

/** When a transfer can have been made at the earliest, and by when it was known to be. */
interface Bounds {
  notBefore: number
  knownAt: number
}

/** A balance is the one after some transfer that the read may have seen, and no older one. */
const checkBalances = ({ facts, calls, transfers }: Evidence, judge: Judge): void => {
  const bounds = new Map<string, Bounds>()
  const note = (id: string | undefined | null, call: Call) => {
    if (id == null) return
    const known = bounds.get(id) ?? { notBefore: call.invokedAt, knownAt: Number.POSITIVE_INFINITY }
    known.notBefore = Math.min(known.notBefore, call.invokedAt)
    if (call.result?.transferId === id) known.knownAt = Math.min(known.knownAt, call.endedAt)
    bounds.set(id, known)
  }
  const charges = new Map(
    facts.transfers.filter(({ kind }) => kind === "charge").map((row) => [row.amount, row.id])
  )
  const refunds = new Map(
    facts.transfers.filter(({ kind }) => kind === "refund").map((row) => [row.reservation, row.id])
  )
  const paid = new Map(facts.reservations.map(({ id, payment }) => [id, payment]))
  for (const call of calls) {
    const { operation, input } = call
    if (operation === "charge") note(charges.get(input.amount!), call)
    if (operation === "pay") note(paid.get(input.reservationId!), call)
    if (operation === "refund") {
      note(refunds.get(transfers.get(input.paymentId!)?.reservation ?? ""), call)
    }
  }
  const byUser = groupBy(facts.transfers, ({ user }) => user)
  const reads = calls.filter(
    ({ operation, outcome }) => operation === "balance" && outcome === "ok"
  )
  for (const [user, ofUser] of groupBy(reads, ({ user }) => user)) {
    const ledger = [...(byUser.get(user) ?? [])]
      .sort((a, b) => a.version - b.version)
      .map((row) => ({ ...row, ...bounds.get(row.id)! }))
    const seen: Array<{ at: number; version: number }> = []
    for (const read of [...ofUser].sort((a, b) => a.invokedAt - b.invokedAt)) {
      const least = Math.max(
        0,
        ...ledger.filter(({ knownAt }) => knownAt < read.invokedAt).map(({ version }) => version),
        ...seen.filter(({ at }) => at < read.invokedAt).map(({ version }) => version)
      )
      const most = Math.min(
        ledger.length,
        ...ledger
          .filter(({ notBefore }) => notBefore > read.endedAt)
          .map(({ version }) => version - 1)
      )
      const versions = [{ version: 0, balance: 0 }, ...ledger].filter(
        ({ version, balance }) =>
          version >= least && version <= most && balance === read.result.balance
      )
      judge.expect(
        "I8",
        versions.length > 0,
        () =>
          `${told(read)} was told ${read.result.balance}, which ${user} had at no version from ${least} to ${most}`
      )
      if (versions.length > 0) seen.push({ at: read.endedAt, version: versions[0]!.version })
    }
    checkOrder(ledger, judge)
  }
}

/** If one movement was answered before another one was asked for, its entry comes first. */
const checkOrder = (
  ledger: ReadonlyArray<Bounds & { readonly version: number; readonly id: string }>,
  judge: Judge
): void => {
  let latest = { notBefore: 0, id: "" }
  for (const row of ledger) {
    judge.expect(
      "I8",
      row.knownAt >= latest.notBefore,
      () =>
        `transfer ${row.id} was answered before ${latest.id} was asked for, and has a later entry`
    )
    if (row.notBefore > latest.notBefore) latest = row
  }
}

/** A reservation that was read is what the calls that were answered before had made it. */
const checkReservations = ({ calls }: Evidence, judge: Judge): void => {
  const idOf = ({ operation, input, result }: Call): string | undefined =>
    operation === "refund" ? result?.reservationId : input.reservationId
  const byReservation = groupBy(
    calls.filter((call) => idOf(call) !== undefined),
    (call) => idOf(call)!
  )
  for (const ofOne of byReservation.values()) {
    const answered = (operation: string, read: Call) =>
      ofOne.some(
        (call) =>
          call.operation === operation && call.outcome === "ok" && call.endedAt < read.invokedAt
      )
    for (const read of ofOne) {
      if (read.operation !== "reservation" || read.outcome !== "ok") continue
      const { status } = read.result
      const asked = ofOne.some((call) => call.operation === "pay" && call.invokedAt < read.endedAt)
      const isPaid = status === "confirmed" || status === "cancelled"
      judge.expect(
        "I8",
        !isPaid || asked,
        () => `${told(read)} was told ${status} before it was paid`
      )
      judge.expect(
        "I8",
        !answered("pay", read) || isPaid,
        () => `${told(read)} was told ${status} after it was paid`
      )
      const isStale = answered("refund", read) && status !== "cancelled"
      judge.expect("I8", !isStale, () => `${told(read)} was told ${status} after it was given back`)
    }
  }
}

/**
 * The one operator of a queue reads the mode that was set, or one that a call of unknown outcome may
 * have set, or may set still.
 */
const checkModes = ({ calls }: Evidence, judge: Judge): void => {
  const ofModes = calls.filter(({ operation }) => operation === "setMode" || operation === "queue")
  for (const ofQueue of groupBy(ofModes, ({ input }) => input.queueId).values()) {
    const open = new Set<string>()
    let set: string | undefined
    for (const call of ofQueue) {
      if (call.repeats !== undefined) continue
      if (call.operation === "setMode") {
        if (call.outcome === "ok") set = call.input.mode
        else if (call.outcome === "unknown") open.add(call.input.mode!)
      } else if (call.outcome === "ok" && set !== undefined) {
        const { mode } = call.result
        const isKnown = mode === set || open.has(mode)
        judge.expect(
          "I8",
          isKnown,
          () => `${told(call)} was told ${mode} after ${set} had been set`
        )
      }
    }
  }
}
