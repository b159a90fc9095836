/** The report of a simulation: what happened, how fast, and whether it was right. */
import { mkdir, writeFile } from "node:fs/promises"
import { machine } from "../report.ts"
import type { Check } from "./checker.ts"
import { type Figures, operations } from "./figures.ts"
import { plot } from "./plot.ts"

export interface Run {
  readonly users: number
  readonly seats: number
  readonly maxActive: number
  readonly admitPerMinute: number
  readonly seconds: number
  readonly soldOutAfterSeconds: number | null
  readonly figures: Figures
  readonly checks: ReadonlyArray<Check>
}

const directory = new URL("../../results/", import.meta.url)

export const writeReport = async (run: Run): Promise<string> => {
  const { figures } = run
  await mkdir(directory, { recursive: true })
  const latencies = Object.fromEntries(operations.map((name) => [name, figures.latency(name)]))
  const { figures: _, ...facts } = run
  const json = {
    at: new Date().toISOString(),
    ...machine(),
    ...facts,
    fates: figures.fates,
    latencies,
    samples: figures.samples
  }
  await writeFile(new URL("simulation.json", directory), `${JSON.stringify(json, undefined, 1)}\n`)
  await writeFile(new URL("simulation-sale.svg", directory), salePlot(figures))
  await writeFile(new URL("simulation-rates.svg", directory), ratesPlot(figures))
  const markdown = toMarkdown(run)
  await writeFile(new URL("simulation.md", directory), markdown)
  return markdown
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
    "Calls answered per second",
    "seconds",
    operations.map((name, i) => ({
      label: name,
      color: colors[i]!,
      points: samples.map((s) => [s.second, s.rates[name]])
    }))
  )

const count = (value: number): string => Math.round(value).toLocaleString("en")

const toMarkdown = (run: Run): string => {
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
      `and ${count(run.admitPerMinute)} let in per minute: ${count(figures.sold)} seats sold, ` +
      `${soldOut}; ${run.seconds.toFixed(0)} s in all.`,
    "",
    "| call | answers | p50 ms | p99 ms |",
    "|---|---:|---:|---:|",
    ...rows,
    "",
    `Fates: ${fates.join(", ")}.`,
    ...(failures.length > 0 ? ["", "Failed calls:", ...failures] : []),
    "",
    "| invariant | violations |",
    "|---|---:|",
    ...checks.map(
      ({ invariant, meaning, violations }) => `| ${invariant} ${meaning} | ${violations} |`
    )
  ].join("\n")}\n`
}
