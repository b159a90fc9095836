/** The report of a soak: a page of Markdown, and the plots that it shows as files beside it. */
import { plot } from "../../../packages/http-server/src/cli/simulate/plot.ts"
import { counted, exitCodes } from "../usage.ts"
import { type Judgement, type Series, samplesMin, thresholds } from "./series.ts"

export interface Soaked extends Judgement {
  readonly seconds: number
  readonly warmUpSeconds: number
  readonly machine: string
  readonly series: Series
  /** Answers by operation and code. */
  readonly codes: Readonly<Record<string, number>>
  readonly bloat: ReadonlyArray<readonly [table: string, before: number, after: number]>
  /** Counts of what the soak did. */
  readonly did: Readonly<Record<string, number>>
  /** What fails the soak, but for what grows. */
  readonly faults: ReadonlyArray<string>
}

/** What came of a soak, in a line, and the exit code that says the same. */
export const verdictOf = (soaked: Pick<Soaked, "faults" | "judged" | "samples" | "unjudged">) => {
  const { faults, judged, samples, unjudged } = soaked
  if (faults.length > 0) {
    return {
      text: `FAILED, ${counted(faults.length, "fault")}: ${faults[0]}`,
      code: exitCodes.broken
    }
  }
  if (samples < samplesMin) {
    const text = `Too short to judge: ${counted(samples, "sample")} after the warm-up, and a trend needs ${samplesMin}`
    return { text, code: exitCodes.notJudged }
  }
  const growing = judged.filter(({ flat }) => !flat).map(({ name }) => name)
  const said = growing.length === 0 ? "Flat" : `NOT flat: ${growing.join(", ")}`
  const left = unjudged === undefined ? "" : ` (not judged: ${unjudged})`
  return { text: said + left, code: growing.length === 0 ? exitCodes.held : exitCodes.broken }
}

const mb = 1_048_576
const colors = ["#2a6fdb", "#d1495b", "#2a9d5c", "#c77d1a", "#7a4fbf", "#3aa6b9"]

/** Each plot: its title, and the series in it, in this unit. */
const plots: ReadonlyArray<readonly [title: string, names: RegExp, unit: number]> = [
  ["Heap after a collection, MB", /^heap /, mb],
  ["Resident memory, MB", /^rss /, mb],
  ["Processor time of a request, ms", /^cpu /, 1],
  ["Cores taken by other processes", /^others$/, 1],
  ["Delay of the event loop, p99, ms", /^loop /, 1],
  ["Latency of hold, pay, poll and join, p99, ms", /^p99 (hold|pay|poll|join)$/, 1],
  ["Connections and file descriptors", /^(connections$|descriptors )/, 1],
  ["Tables, MB", /^table (outbox|queue_token|reservation|command_outcome|transfer|seat)$/, mb],
  ["Indexes, MB", /^indexes (outbox|queue_token|reservation|command_outcome|transfer|seat)$/, mb],
  ["Dead rows", /^dead (outbox|queue_token|reservation|queue|seat|wallet)$/, 1],
  ["Batches that readers are behind", /^behind /, 1],
  ["Webhooks that wait", /^deliveriesWaiting$/, 1]
]

export interface Report {
  readonly markdown: string
  /** SVG by the name of its file. */
  readonly plots: Readonly<Record<string, string>>
}

/** `name` begins the names of the plots. */
export const toReport = (soaked: Soaked, name: string): Report => {
  const { series, judged, seconds, warmUpSeconds, faults } = soaked
  const growing = judged.filter(({ flat }) => !flat)
  const isEnough = soaked.samples >= samplesMin
  const drawn = plots.flatMap(([title, names, unit], i) => {
    const svg = plotOf(series, title, names, unit)
    return svg === undefined ? [] : [{ title, file: `${name}-${i + 1}.svg`, svg }]
  })
  const markdown = [
    `# Soak of ${Math.round(seconds / 60)} minutes`,
    "",
    `**${verdictOf(soaked).text}**`,
    "",
    `${soaked.machine}. Judged from second ${warmUpSeconds} on, by the Theil–Sen slope.`,
    "",
    ...Object.entries(soaked.did).map(
      ([name, count]) => `- ${name}: ${count.toLocaleString("en")}`
    ),
    "",
    ...faults.map((fault) => `- **Fault**: ${fault}`),
    ...(isEnough ? growing : []).map(
      ({ name, growth, allowed }) =>
        `- **Grows**: ${name} by ${amountOf(name, growth)}, and ${amountOf(name, allowed)} is allowed`
    ),
    "",
    ...drawn.map(({ title, file }) => `![${title}](${file})\n`),
    "",
    "## What was judged",
    "",
    "| what | median | first half | second half | grew | may grow | flat |",
    "|---|---:|---:|---:|---:|---:|---|",
    ...judged.map((each) => {
      const { name, median, first, last, growth, allowed, flat } = each
      const cells = [median, first, last, growth, allowed].map((value) => amountOf(name, value))
      return `| ${name} | ${cells.join(" | ")} | ${isEnough ? (flat ? "yes" : "**no**") : "too few samples"} |`
    }),
    "",
    `Each may grow over the measured time by a share of its median, or by an amount, whichever is more: ${thresholds.join("; ")}.`,
    "",
    "## Answers",
    "",
    "| operation | code | count |",
    "|---|---|---:|",
    ...Object.entries(soaked.codes)
      .sort(([a], [b]) => a.localeCompare(b))
      .map(([key, count]) => `| ${key.replace(" ", " | ")} | ${count.toLocaleString("en")} |`),
    "",
    "## Dead and free space of tables, percent",
    "",
    "| table | after the warm-up | at the end |",
    "|---|---:|---:|",
    ...soaked.bloat.map(
      ([t, before, after]) => `| ${t} | ${before.toFixed(0)} | ${after.toFixed(0)} |`
    ),
    ""
  ].join("\n")
  return { markdown, plots: Object.fromEntries(drawn.map(({ file, svg }) => [file, svg])) }
}

const plotOf = (series: Series, title: string, names: RegExp, unit: number) => {
  const lines = series
    .names()
    .filter((name) => names.test(name))
    .map((name, i) => ({
      label: name.replace(/^(heap|rss|cpu|loop|p99|table|indexes|dead|behind) /, ""),
      color: colors[i % colors.length]!,
      points: series.of(name).map(({ at, value }) => [at, value / unit] as const)
    }))
  return lines.length === 0 ? undefined : plot(title, "s", lines)
}

/** Bytes as MB; all other amounts as they are. */
const amountOf = (name: string, value: number): string =>
  /^(heap|external|rss|table|indexes) /.test(name)
    ? `${(value / mb).toFixed(2)} MB`
    : value.toLocaleString("en", { maximumFractionDigits: 1 })
