/** The results of a run: a Markdown table, a chart, and JSON. */
import { cpus } from "node:os"
import type { Measure, Round, Scenario } from "./scenario.ts"

export interface Row {
  readonly name: string
  readonly callers: number
  readonly against: string
  readonly by: Scenario["by"]
  readonly target: number | undefined
  readonly perSecond: Spread
  readonly p50Ms: number
  readonly p99Ms: number
  /** Processor time per call, in microseconds. */
  readonly cpu: { readonly node: number; readonly postgres: number } | undefined
  readonly reference: { readonly perSecond: Spread; readonly p50Ms: number } | undefined
  /**
   * For each round: the engine's rate divided by the rate of the reference right before it; for
   * rows that compare latency or memory, the engine's figure divided by the reference's.
   */
  readonly ratio: Spread | undefined
  /** Processor time of other processes: medians, in µs per response. */
  readonly beside: Readonly<Record<string, number>> | undefined
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

const compared: Record<Scenario["by"], (a: Measure, b: Measure) => number> = {
  rate: (a, b) => a.perSecond / b.perSecond,
  latency: (a, b) => a.p50Ms / b.p50Ms,
  memory: (a, b) => a.grownMb! / b.grownMb!
}

export const toRow = (scenario: Scenario, rounds: ReadonlyArray<Round>): Row => {
  const references = rounds.flatMap(({ reference }) => reference ?? [])
  const ratios = rounds.flatMap(({ subject, reference }) =>
    reference === undefined ? [] : compared[scenario.by](subject, reference)
  )
  const cpus = rounds.flatMap(({ subject }) => subject.cpu ?? [])
  const { name, callers, against, by, target } = scenario
  return {
    ...{ name, callers, against, by, target },
    perSecond: spread(rounds.map(({ subject }) => subject.perSecond)),
    p50Ms: median(rounds.map(({ subject }) => subject.p50Ms)),
    p99Ms: median(rounds.map(({ subject }) => subject.p99Ms)),
    cpu:
      cpus.length === 0
        ? undefined
        : {
            node: median(cpus.map(({ node }) => node)),
            postgres: median(cpus.map(({ postgres }) => postgres))
          },
    reference:
      references.length === 0
        ? undefined
        : {
            perSecond: spread(references.map(({ perSecond }) => perSecond)),
            p50Ms: median(references.map(({ p50Ms }) => p50Ms))
          },
    ratio: ratios.length === 0 ? undefined : spread(ratios),
    beside: spending(rounds)
  }
}

const spending = (rounds: ReadonlyArray<Round>): Row["beside"] => {
  const spent = rounds.flatMap(({ beside }) => (beside === undefined ? [] : [beside]))
  if (spent.length === 0) return undefined
  return Object.fromEntries(
    Object.keys(spent[0]!).map((name) => [name, median(spent.map((each) => each[name]!))])
  )
}

export const machine = () => ({
  cpu: cpus()[0]?.model ?? "unknown",
  cores: cpus().length,
  node: process.version
})

// Rows that compare memory have no rate.
const rate = (spread: Spread): string =>
  Number.isNaN(spread.median)
    ? "–"
    : `${round(spread.median)} (${round(spread.min)}–${round(spread.max)})`
const round = (value: number): string => Math.round(value).toLocaleString("en")

const ofWhat = { rate: "", latency: " the time", memory: " the memory" }
const ratioOf = ({ ratio, by }: Row): string => `${ratio!.median.toFixed(2)}×${ofWhat[by]}`

export const toMarkdown = (rows: ReadonlyArray<Row>): string => {
  const head = [
    "| what | callers | per second: median (min–max) | p50 ms | p99 ms | µs of Node + Postgres | against | its rate | ratio | target |",
    "|---|---:|---:|---:|---:|---:|---|---:|---:|---:|"
  ]
  const body = rows.map((row) => {
    const cells = [
      ...[row.name, row.callers, rate(row.perSecond), row.p50Ms.toFixed(1), row.p99Ms.toFixed(1)],
      row.cpu ? `${round(row.cpu.node)} + ${round(row.cpu.postgres)}` : "–",
      row.against,
      row.reference ? rate(row.reference.perSecond) : "not found",
      row.ratio ? ratioOf(row) : "–",
      row.target ? `${row.by === "rate" ? "≥" : "≤"} ${row.target}×` : "–"
    ]
    return `| ${cells.join(" | ")} |`
  })
  return [...head, ...body, ...toSpendingTable(rows)].join("\n")
}

/** A table of the processor time of other processes, for the rows that measure it. */
const toSpendingTable = (rows: ReadonlyArray<Row>): ReadonlyArray<string> => {
  const spent = rows.filter(({ beside }) => beside !== undefined)
  if (spent.length === 0) return []
  const names = Object.keys(spent[0]!.beside!)
  const body = spent.map(({ name, callers, beside }) => {
    const cells = names.map((of) => beside![of]!.toFixed(1))
    return `| ${[`${name}, ${callers}`, ...cells].join(" | ")} |`
  })
  return [
    "",
    `| µs of CPU beside | ${names.join(" | ")} |`,
    `|---|${"---:|".repeat(names.length)}`,
    ...body
  ]
}

const barLeft = 330
const barWidth = 360
const barHeight = 26

/** A chart of the ratios as bars, each with a tick at its target. */
export const toSvg = (rows: ReadonlyArray<Row>): string => {
  const measured = rows.filter(({ ratio }) => ratio !== undefined)
  const most = Math.max(
    ...measured.map(({ ratio, target }) => Math.max(ratio!.median, target ?? 0))
  )
  const x = (value: number) => (barLeft + (value / most) * barWidth).toFixed(1)
  const bars = measured.map((row, i) => {
    const { name, callers, ratio, target, by } = row
    const y = 10 + i * barHeight
    const met = by === "rate" ? ratio!.median >= (target ?? 0) : ratio!.median <= (target ?? 0)
    const width = Number(x(ratio!.median)) - barLeft
    const tick = target === undefined ? "" : `<path d="M${x(target)} ${y - 3}v22" class="tick"/>`
    return `<text x="${barLeft - 8}" y="${y + 12}" class="name">${name}, ${callers}</text>
  <rect x="${barLeft}" y="${y}" width="${width}" height="16" fill="${met ? "#2a9d5c" : "#c77d1a"}"/>
  ${tick}<text x="${Number(x(ratio!.median)) + 6}" y="${y + 12}">${ratioOf(row)}</text>`
  })
  const height = 20 + measured.length * barHeight
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 780 ${height}" role="img" aria-label="Ratios to the references, with targets">
  <style>text{font:12px sans-serif;fill:#777}.name{text-anchor:end}.tick{stroke:#d1495b;stroke-width:2}</style>
  ${bars.join("\n  ")}
</svg>
`
}
