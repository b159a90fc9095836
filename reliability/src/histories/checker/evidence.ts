/** A history, looked up by what the checks ask for. */

import type { Facts, ReservationFact, TransferFact } from "../facts.ts"
import { groupBy } from "../groupBy.ts"
import type { Call, Fault, History } from "../history.ts"

/** Requests with one key of one user: they are one command. */
export interface Command {
  readonly key: string
  readonly calls: ReadonlyArray<Call>
}

export interface Evidence {
  readonly history: History
  readonly facts: Facts
  readonly calls: ReadonlyArray<Call>
  /** Each status of a queue token that a client was told: by a join, a poll, or a stream's message. */
  readonly statuses: ReadonlyArray<Call>
  readonly commands: ReadonlyArray<Command>
  readonly transfers: ReadonlyMap<string, TransferFact>
  readonly reservations: ReadonlyMap<string, ReservationFact>
  /** Whether the database's clock was set at any time: then its instants are in no order. */
  readonly wasClockSet: boolean
  readonly clockFaults: ReadonlyArray<Fault>
  /** Whether no fault was under way then, nor shortly before. */
  readonly isCalm: (from: number, to: number) => boolean
}

/** For so long after a fault an answer may still come from memory: `staleIfStoreDownMs`. */
export const staleMs = 60_000
const aftermathMs = 15_000

export const evidenceOf = (history: History): Evidence => {
  const { facts, calls, faults } = history
  const withKey = calls.filter(({ key }) => key !== undefined)
  const byKey = groupBy(withKey, ({ user, operation, key }) => `${user} ${operation} ${key}`)
  const clockFaults = faults.filter(({ fault }) => fault.startsWith("clock of the database"))
  return {
    history,
    facts,
    calls,
    statuses: [
      ...calls.filter(
        ({ operation, outcome }) =>
          outcome === "ok" && (operation === "join" || operation === "poll")
      ),
      ...messagesOf(history)
    ],
    commands: [...byKey.values()].map((calls) => ({ key: calls[0]!.key!, calls })),
    transfers: new Map(facts.transfers.map((transfer) => [transfer.id, transfer])),
    reservations: new Map(facts.reservations.map((row) => [row.id, row])),
    wasClockSet: clockFaults.length > 0,
    clockFaults,
    isCalm: (from, to) =>
      faults.every(({ beganAt, endedAt }) => endedAt + aftermathMs < from || beganAt > to)
  }
}

/** A message may have been under way for so long, without any fault. */
const lagMs = 2_000

/**
 * The messages of streams as if each were the answer to a poll. A stream reads its token's status a
 * second after it has sent the one before, so a message is no older than that.
 */
const messagesOf = ({ calls, messages }: History): ReadonlyArray<Call> => {
  const streams = new Map(calls.map((call) => [call.call, call]))
  const latest = new Map<number, number>()
  return messages.map(({ told, at, result }) => {
    const stream = streams.get(told)!
    const before = latest.get(told)
    latest.set(told, at)
    const invokedAt = Math.max(stream.invokedAt, (before ?? 0) - lagMs)
    return { ...stream, outcome: "ok", invokedAt, endedAt: at, result }
  })
}

export const okOf = ({ calls }: Command): ReadonlyArray<Call> =>
  calls.filter(({ outcome }) => outcome === "ok")

/** Whether every request of the command was refused, so that it must have left nothing. */
export const isRefused = ({ calls }: Command): boolean =>
  calls.every(({ outcome }) => outcome === "fail")

export const told = ({ call, client, node, operation }: Call): string =>
  `call ${call} (${operation} of ${client} on ${node})`
