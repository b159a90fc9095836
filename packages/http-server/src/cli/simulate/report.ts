/** The report of a simulation: counts, latencies, and the verdict on every invariant. */
import { mkdir, writeFile } from "node:fs/promises"
import { cpus } from "node:os"
import { join } from "node:path"
import type { EstimateError } from "./estimates.ts"
import { type Figures, operations } from "./figures.ts"
import { plot } from "./plot.ts"
import type { Run } from "./run.ts"

/** The complete result of a run, for scripts. */
export const toJson = (run: Run): Readonly<Record<string, unknown>> => {
  const { figures, schema: _, keep: __, onSample: ___, ...facts } = run
  return {
    at: new Date().toISOString(),
    cpu: cpus()[0]?.model ?? "unknown",
    cores: cpus().length,
    node: process.version,
    ...facts,
    sold: figures.sold,
    holds: run.checks.every(({ violations }) => violations === 0),
    fates: figures.fates,
    pollsFromMemory: figures.pollsFromMemory,
    lateP99Ms: figures.lateP99Ms,
    estimates: figures.estimates.get(),
    failures: Object.fromEntries(figures.failures),
    latencies: Object.fromEntries(operations.map((name) => [name, figures.latency(name)])),
    samples: figures.samples
  }
}

/** Writes the report and two plots into a directory. */
export const writeReport = async (run: Run, directory: string): Promise<void> => {
  await mkdir(directory, { recursive: true })
  const files = {
    "simulation.json": `${JSON.stringify(toJson(run), undefined, 1)}\n`,
    "simulation.md": toMarkdown(run),
    "simulation-sale.svg": salePlot(run.figures),
    "simulation-rates.svg": ratesPlot(run.figures)
  }
  for (const [name, text] of Object.entries(files)) await writeFile(join(directory, name), text)
}

const salePlot = ({ samples }: Figures): string =>
  plot("The sale", "seconds", [
    { label: "seats sold", color: "#2a9d5c", points: samples.map((s) => [s.second, s.sold]) },
    { label: "waiting", color: "#c77d1a", points: samples.map((s) => [s.second, s.waiting]) },
    { label: "inside", color: "#3b7dd8", points: samples.map((s) => [s.second, s.active]) }
  ])

const colors = ["#3b7dd8", "#8a8f98", "#c77d1a", "#2a9d5c", "#a05bc9", "#d1495b"]

const ratesPlot = ({ samples }: Figures): string =>
  plot(
    "Calls completed per second",
    "seconds",
    operations.map((name, i) => ({
      label: name,
      color: colors[i]!,
      points: samples.map((s) => [s.second, s.rates[name]])
    }))
  )

const count = (value: number): string => Math.round(value).toLocaleString("en")

export const toMarkdown = (run: Run): string => {
  const { figures, checks } = run
  const soldOut =
    run.soldOutAfterSeconds === null
      ? "not sold out"
      : `sold out after ${run.soldOutAfterSeconds.toFixed(0)} s`
  const rows = operations.map((name) => {
    const { calls, p50Ms, p99Ms } = figures.latency(name)
    return `| ${name} | ${count(calls)} | ${p50Ms.toFixed(1)} | ${p99Ms.toFixed(1)} |`
  })
  const fates = Object.entries(figures.fates).map(([fate, n]) => `${fate} ${count(n)}`)
  const failures = Array.from(figures.failures, ([what, n]) => `- ${n} × ${what}`)
  return `${[
    `${count(run.users)} users, ${count(run.seats)} seats, at most ${count(run.maxActive)} inside ` +
      `and ${count(run.admitPerMinute)} admitted per minute: ${count(figures.sold)} seats sold, ` +
      `${soldOut}; ${run.seconds.toFixed(0)} s in all.`,
    "",
    "| call | results | p50 ms | p99 ms |",
    "|---|---:|---:|---:|",
    ...rows,
    "",
    `Polls served from memory: ${count(figures.pollsFromMemory)}. Calls were at most ` +
      `${count(figures.lateP99Ms)} ms later than due (p99). The process used at most ` +
      `${count(run.peakMemoryMiB)} MiB of resident memory; the checks took ${run.checkSeconds.toFixed(1)} s.`,
    "",
    ...estimateLines(figures),
    "",
    `What else happened: ${fates.join(", ")}.`,
    ...(failures.length > 0 ? ["", "Failed calls:", ...failures] : []),
    "",
    "| invariant | violations |",
    "|---|---:|",
    ...checks.map(
      ({ invariant, meaning, violations }) => `| ${invariant} ${meaning} | ${violations} |`
    )
  ].join("\n")}\n`
}

const estimateLines = ({ estimates }: Figures): ReadonlyArray<string> => {
  const percent = (share: number, of: number) => (of === 0 ? "–" : `${(100 * share).toFixed(1)} %`)
  const row = (what: string, error: EstimateError) =>
    `| ${what} | ${count(error.told)} | ` +
    `${count(error.p50Came)} | ${percent(error.inByP50, error.p50Came)} | ` +
    `${count(error.p90Came)} | ${percent(error.inByP90, error.p90Came)} | ` +
    `${percent(error.medianErrorShare, error.p50Came)} |`
  const { first, every, byHorizon, silent } = estimates.get()
  const horizons = byHorizon.map((error, i) => {
    const next = byHorizon[i + 1]
    const range = next === undefined ? "or more" : `to ${next.fromSeconds}`
    return row(`of ${error.fromSeconds} ${range} s`, error)
  })
  return [
    "| estimated waits | estimates | p50 passed | admitted by p50 | p90 passed | admitted by p90 | median error of p50 |",
    "|---|---:|---:|---:|---:|---:|---:|",
    row("the first of each user", first),
    row("all", every),
    ...horizons,
    "",
    `Statuses without an estimate: ${count(silent)}.`
  ]
}
