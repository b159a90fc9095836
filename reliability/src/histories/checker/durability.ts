/**
 * I6: what was acknowledged is there, what was refused is not, and what is unknown is there as a whole
 * or not at all. And nothing is there that no client asked for.
 */
import type { Call, Operation } from "../history.ts"
import { type Command, type Evidence, isRefused, okOf, told } from "./evidence.ts"
import type { Judge } from "./judge.ts"

export const checkDurability = (evidence: Evidence, judge: Judge): void => {
  for (const command of evidence.commands) {
    const operation = command.calls[0]!.operation
    ofCommands[operation]?.(evidence, command, judge)
  }
  for (const call of evidence.calls) {
    if (call.outcome === "ok") ofAnswers[call.operation]?.(evidence, call, judge)
    judge.expect(
      "I6",
      !isDenial(call),
      () => `${told(call)} was told ${call.code} of what it was given`
    )
  }
  checkModes(evidence, judge)
  checkOrigins(evidence, judge)
}

/** Refusals that deny what another call was told: the client got the token or the id from a node. */
const isDenial = ({ operation, code }: Call): boolean =>
  code === "queue_token_invalid" ||
  code === "queue_not_found" ||
  (code === "reservation_not_found" && ["reservation", "release", "pay"].includes(operation)) ||
  (code === "payment_not_found" && operation === "refund")

type OfCommand = (evidence: Evidence, command: Command, judge: Judge) => void
type OfAnswer = (evidence: Evidence, call: Call, judge: Judge) => void

/** A transfer that was acknowledged is in the ledger, as it was told. */
const transferAs =
  (kind: string): OfAnswer =>
  ({ transfers }, call, judge) => {
    const row = transfers.get(call.result.transferId)
    const isThere = row?.kind === kind && row.balance === call.result.balance
    const acknowledged = JSON.stringify(call.result)
    judge.expect(
      "I6",
      isThere,
      () => `${told(call)} was acknowledged: ${acknowledged}; there is ${JSON.stringify(row)}`
    )
  }

const ofCommands: Partial<Record<Operation, OfCommand>> = {
  charge: ({ facts }, command, judge) => {
    const { amount } = command.calls[0]!.input
    const made = facts.transfers.filter((row) => row.kind === "charge" && row.amount === amount)
    judge.expect(
      "I5",
      made.length <= 1,
      () => `charge ${command.key} took effect ${made.length} times`
    )
    if (!isRefused(command)) return
    judge.expect("I6", made.length === 0, () => `charge ${command.key} was refused, and is there`)
  },
  addSeats: ({ facts }, command, judge) => {
    const { performanceId, seatIds = [] } = command.calls[0]!.input
    const made = facts.seats.filter(
      (row) => row.performance === performanceId && seatIds.includes(row.seat)
    ).length
    const isWhole = made === 0 || made === seatIds.length
    judge.expect("I6", isWhole, () => `addSeats ${command.key} added ${made} of ${seatIds.length}`)
    const hasOk = okOf(command).length > 0
    judge.expect(
      "I6",
      !hasOk || made > 0,
      () => `addSeats ${command.key} was acknowledged, and is not there`
    )
    judge.expect(
      "I6",
      !isRefused(command) || made === 0,
      () => `addSeats ${command.key} was refused, and is there`
    )
  }
}

const ofAnswers: Partial<Record<Operation, OfAnswer>> = {
  charge: transferAs("charge"),
  refund: transferAs("refund"),
  pay: (evidence, call, judge) => {
    transferAs("payment")(evidence, call, judge)
    const row = evidence.reservations.get(call.result.reservationId)
    const isPaid = row?.payment === call.result.transferId
    judge.expect(
      "I6",
      isPaid,
      () => `${told(call)} was acknowledged; its reservation is ${JSON.stringify(row)}`
    )
  },
  hold: ({ reservations }, call, judge) => {
    const row = reservations.get(call.result.reservationId)
    const wanted = [...(call.input.seatIds ?? [])].sort().join()
    const isThere = row?.user === call.user && [...row.seats].sort().join() === wanted
    judge.expect(
      "I6",
      isThere,
      () => `${told(call)} was acknowledged for ${wanted}; there is ${JSON.stringify(row)}`
    )
  },
  release: ({ reservations }, call, judge) => {
    const row = reservations.get(call.input.reservationId!)
    const isOver = row?.status === "released" || row?.status === "expired"
    judge.expect(
      "I6",
      isOver,
      () => `${told(call)} was acknowledged; the reservation is ${row?.status}`
    )
  },
  leave: ({ facts }, call, judge) => {
    const row = facts.tokens.find(({ id }) => id === call.input.tokenId)
    const isOver = row !== undefined && row.state !== "waiting" && row.state !== "admitted"
    judge.expect(
      "I6",
      isOver,
      () => `${told(call)} was acknowledged; its token is ${JSON.stringify(row)}`
    )
  },
  createQueue: ({ facts }, call, judge) => {
    const isThere = facts.queues.some(({ id }) => id === call.input.queueId)
    judge.expect("I6", isThere, () => `${told(call)} was acknowledged; there is no such queue`)
  },
  join: ({ facts }, call, judge) => {
    const row = facts.tokens.find(({ id }) => id === call.result.tokenId)
    judge.expect(
      "I6",
      row?.user === call.user,
      () => `${told(call)} was acknowledged; its token is ${JSON.stringify(row)}`
    )
  }
}

/** Each key changes the mode of a queue once at the most, however often and late it arrives. */
const checkModes = ({ facts, commands }: Evidence, judge: Judge): void => {
  const asked = commands
    .filter((command) => command.calls[0]!.operation === "setMode" && !isRefused(command))
    .map(({ calls }) => `${calls[0]!.input.queueId} ${calls[0]!.input.mode}`)
  const changed = facts.events
    .filter(({ event }) => event._tag === "QueueModeChanged")
    .map(({ event }) => `${event.queueId} ${event.mode}`)
  for (const change of new Set(changed)) {
    const times = changed.filter((each) => each === change).length
    const keys = asked.filter((each) => each === change).length
    judge.expect("I5", times <= keys, () => `${change}: ${times} times, by ${keys} keys`)
  }
}

/** Every row was asked for by a call that was acknowledged, or whose outcome is unknown. */
const checkOrigins = ({ facts, commands, transfers }: Evidence, judge: Judge): void => {
  const mayHaveDone = commands.filter((command) => !isRefused(command))
  const asked = (operation: Operation) =>
    mayHaveDone.flatMap(({ calls }) => calls.filter((call) => call.operation === operation))
  const charged = new Set(asked("charge").map(({ user, input }) => `${user} ${input.amount}`))
  const paid = new Set(asked("pay").map(({ user, input }) => `${user} ${input.reservationId}`))
  const refunded = new Set(asked("refund").map(({ input }) => input.paymentId))
  const held = new Map<string, number>()
  for (const command of mayHaveDone) {
    const [first] = command.calls
    if (first!.operation !== "hold") continue
    const what = `${first!.user} ${[...(first!.input.seatIds ?? [])].sort()}`
    held.set(what, (held.get(what) ?? 0) + 1)
  }
  for (const row of facts.transfers) {
    const payment = facts.reservations.find(({ id }) => id === row.reservation)?.payment
    const isAsked = {
      charge: charged.has(`${row.user} ${row.amount}`),
      payment: paid.has(`${row.user} ${row.reservation}`),
      refund: payment != null && transfers.has(payment) && refunded.has(payment)
    }[row.kind]
    judge.expect(
      "I6",
      isAsked,
      () => `${row.kind} ${row.id} of ${row.user} is there, and no call may have made it`
    )
  }
  for (const row of facts.reservations) {
    const what = `${row.user} ${[...row.seats].sort()}`
    const left = held.get(what) ?? 0
    held.set(what, left - 1)
    judge.expect(
      "I6",
      left > 0,
      () => `reservation ${row.id} of ${what} is there, and no call may have made it`
    )
  }
}
