/** The figures of a run, as a table. */
import { type Way, ways } from "./cluster.ts"
import type { Fault } from "./faults.ts"

/** Of one failover; all in seconds. */
export interface Round {
  readonly fault: Fault
  /** From the fault to the instant at which another node accepts writes. */
  readonly promotion: number
  /** The longest time without an acknowledged write, by SQL through HAProxy. */
  readonly raw: number
  /** The same, by the HTTP API of a node that takes this way. */
  readonly outage: Readonly<Record<Way, number>>
  /** From the first write by SQL after the outage to the first one by that node. */
  readonly share: Readonly<Record<Way, number>>
}

const median = (values: ReadonlyArray<number>): number => {
  const sorted = values.toSorted((a, b) => a - b)
  const half = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2
}

const cell = (values: ReadonlyArray<number>): string =>
  `${median(values).toFixed(1)} (${Math.max(...values).toFixed(1)})`

/** A row for each fault, and one for all: the median and, in brackets, the worst. */
export const table = (rounds: ReadonlyArray<Round>): string => {
  const faults = Array.from(new Set(rounds.map(({ fault }) => fault)))
  const row = (name: string, of: ReadonlyArray<Round>) => [
    name,
    String(of.length),
    cell(of.map(({ promotion }) => promotion)),
    cell(of.map(({ raw }) => raw)),
    ...ways.map((way) => cell(of.map(({ outage }) => outage[way]))),
    cell(of.map(({ share }) => share.haproxy))
  ]
  const rows = [
    ["fault", "times", "new leader", "SQL", ...ways, "the engine's share"],
    ["---", "---", "---", "---", ...ways.map(() => "---"), "---"],
    ...faults.map((fault) =>
      row(
        fault,
        rounds.filter((round) => round.fault === fault)
      )
    ),
    row("all", rounds)
  ]
  return rows.map((cells) => `| ${cells.join(" | ")} |`).join("\n")
}
