/** What a run found: a table to read, and JSON to keep. */
import { cpus } from "node:os"
import type { Round, Scenario } from "./scenario.ts"

export interface Row {
  readonly name: string
  readonly callers: number
  readonly against: string
  readonly by: "rate" | "latency"
  readonly target: number | undefined
  readonly perSecond: Spread
  readonly p50Ms: number
  readonly p99Ms: number
  readonly reference: { readonly perSecond: Spread; readonly p50Ms: number } | undefined
  /**
   * Of each round: the engine's rate over that of the reference right before it; or, where it is
   * compared by latency, the engine's median over the reference's.
   */
  readonly ratio: Spread | undefined
}

interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
}

const median = (values: ReadonlyArray<number>): number => {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

const spread = (values: ReadonlyArray<number>): Spread => ({
  median: median(values),
  min: Math.min(...values),
  max: Math.max(...values)
})

export const toRow = (scenario: Scenario, rounds: ReadonlyArray<Round>): Row => {
  const references = rounds.flatMap(({ reference }) => reference ?? [])
  const ratios = rounds.flatMap(({ subject, reference }) => {
    if (reference === undefined) return []
    return scenario.by === "rate"
      ? subject.perSecond / reference.perSecond
      : subject.p50Ms / reference.p50Ms
  })
  const { name, callers, against, by, target } = scenario
  return {
    ...{ name, callers, against, by, target },
    perSecond: spread(rounds.map(({ subject }) => subject.perSecond)),
    p50Ms: median(rounds.map(({ subject }) => subject.p50Ms)),
    p99Ms: median(rounds.map(({ subject }) => subject.p99Ms)),
    reference:
      references.length === 0
        ? undefined
        : {
            perSecond: spread(references.map(({ perSecond }) => perSecond)),
            p50Ms: median(references.map(({ p50Ms }) => p50Ms))
          },
    ratio: ratios.length === 0 ? undefined : spread(ratios)
  }
}

export const machine = () => ({
  cpu: cpus()[0]?.model ?? "unknown",
  cores: cpus().length,
  node: process.version
})

const rate = (spread: Spread): string =>
  `${round(spread.median)} (${round(spread.min)}–${round(spread.max)})`
const round = (value: number): string => Math.round(value).toLocaleString("en")

export const toMarkdown = (rows: ReadonlyArray<Row>): string => {
  const head = [
    "| what | callers | per second: median (min–max) | p50 ms | p99 ms | against | its rate | ratio | target |",
    "|---|---:|---:|---:|---:|---|---:|---:|---:|"
  ]
  const body = rows.map((row) => {
    const cells = [
      ...[row.name, row.callers, rate(row.perSecond), row.p50Ms.toFixed(1), row.p99Ms.toFixed(1)],
      row.against,
      row.reference ? rate(row.reference.perSecond) : "not found",
      row.ratio ? `${row.ratio.median.toFixed(2)}×${row.by === "latency" ? " the time" : ""}` : "–",
      row.target ? `${row.by === "rate" ? "≥" : "≤"} ${row.target}×` : "–"
    ]
    return `| ${cells.join(" | ")} |`
  })
  return [...head, ...body].join("\n")
}
