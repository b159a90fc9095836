/** What a run found: a table to read, and JSON to keep. */
import { cpus } from "node:os"
import type { Round, Scenario } from "./scenario.ts"

export interface Row {
  readonly name: string
  readonly callers: number
  readonly perSecond: Spread
  readonly p50Ms: number
  readonly p99Ms: number
  readonly reference: { readonly perSecond: Spread; readonly latencyMs: number } | null
  /** Of each round: the engine's rate over the reference's right before it. */
  readonly ratio: Spread | null
}

export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
}

export const median = (values: ReadonlyArray<number>): number => {
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
  return {
    name: scenario.name,
    callers: scenario.callers,
    perSecond: spread(rounds.map(({ subject }) => subject.perSecond)),
    p50Ms: median(rounds.map(({ subject }) => subject.p50Ms)),
    p99Ms: median(rounds.map(({ subject }) => subject.p99Ms)),
    reference:
      references.length === 0
        ? null
        : {
            perSecond: spread(references.map(({ perSecond }) => perSecond)),
            latencyMs: median(references.map(({ latencyMs }) => latencyMs))
          },
    ratio:
      references.length === 0
        ? null
        : spread(rounds.map(({ subject, reference }) => subject.perSecond / reference!.perSecond))
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
    "| what | callers | per second: median (min–max) | p50 ms | p99 ms | pgbench per second | ratio |",
    "|---|---:|---:|---:|---:|---:|---:|"
  ]
  const body = rows.map((row) => {
    const reference = row.reference ? rate(row.reference.perSecond) : "not found"
    const ratio = row.ratio ? `${row.ratio.median.toFixed(1)}×` : "–"
    const cells = [
      ...[row.name, row.callers, rate(row.perSecond), row.p50Ms.toFixed(1)],
      ...[row.p99Ms.toFixed(1), reference, ratio]
    ]
    return `| ${cells.join(" | ")} |`
  })
  return [...head, ...body].join("\n")
}
