/** The report of a run: on the terminal, and as Markdown with a timeline. */
import { basename } from "node:path"
import { commandLine, counted } from "../../usage.ts"
import { evidenceOf } from "../checker/evidence.ts"
import type { Finding, Verdict } from "../checker/judge.ts"
import { resolutionsOf } from "../checker/resolution.ts"
import { encryptedConnections } from "../facts.ts"
import type { History } from "../history.ts"
import { countBy, durationOf, faultsOf, operationsOf, partsOf, repeatsOf } from "./counts.ts"
import { timelineOf } from "./timeline.ts"

interface Table {
  readonly title: string
  readonly head: ReadonlyArray<string>
  readonly rows: ReadonlyArray<ReadonlyArray<string | number>>
}

const tablesOf = (history: History, verdict: Verdict): ReadonlyArray<Table> => {
  const operations = operationsOf(history)
  const total = (of: "ok" | "fail" | "unknown") => operations.reduce((sum, row) => sum + row[of], 0)
  const slowest = [...history.progress].sort((a, b) => b.tookMs - a.tookMs).slice(0, 8)
  const codes = countBy(
    history.calls.filter(({ code }) => code !== undefined),
    ({ outcome, code }) => `${outcome} ${code}`
  )
  return [
    {
      title: "Calls by operation and outcome",
      head: ["operation", "ok", "fail", "unknown"],
      rows: [
        ...operations.map(({ operation, ok, fail, unknown }) => [operation, ok, fail, unknown]),
        ["all", total("ok"), total("fail"), total("unknown")]
      ]
    },
    { title: "Why calls failed or stayed unknown", head: ["code", "calls"], rows: [...codes] },
    { title: "What the run had", head: ["what", "times"], rows: partsOf(history) },
    {
      title: "Faults by kind",
      head: ["fault", "times"],
      rows: [...faultsOf(history), ["request sent twice, the second one late", repeatsOf(history)]]
    },
    {
      title: "What the lines did, and what Postgres logged",
      head: ["what", "times"],
      rows: history.facts.log
        .filter(({ text }) => text !== encryptedConnections)
        .map(({ text, count }) => [text, count])
    },
    {
      title: "What became of the unknown calls",
      head: ["the call", "calls"],
      rows: [...resolutionsOf(evidenceOf(history))]
    },
    {
      title: "Checks by invariant",
      head: ["invariant", "statements checked", "violations"],
      rows: [...verdict.checks]
        .sort(([a], [b]) => Number(a.slice(1)) - Number(b.slice(1)))
        .map(([invariant, count]) => [invariant, count, verdict.broken.get(invariant) ?? 0])
    },
    {
      title: "After the faults, the slowest",
      head: ["what", "took, ms", "limit, ms"],
      rows: slowest.map(({ progress, tookMs, limitMs }) => [progress, tookMs, limitMs])
    }
  ]
}

const headline = (history: History, { broken }: Verdict): string => {
  const minutes = (durationOf(history) / 60_000).toFixed(1)
  const { seed, nodes } = history.run
  const findings = sumOf(broken)
  const result = findings === 0 ? "every invariant held" : `${findings} FINDINGS`
  return `Seed ${seed}: ${counted(history.calls.length, "call")} to ${counted(nodes.length, "node")} in ${minutes} minutes, ${counted(history.faults.length, "fault")}: ${result}.`
}

const sumOf = (counts: ReadonlyMap<string, number>): number =>
  [...counts.values()].reduce((sum, count) => sum + count, 0)

/** The last lines of a run: what came of it, and what to look at next. */
export const verdictOf = (history: History, verdict: Verdict, file: string): string => {
  const { findings, broken } = verdict
  const first = firstOf(history, findings)
  if (first === undefined) {
    return `Every promise held: ${counted(history.calls.length, "call")}, ${counted(history.faults.length, "fault")}. The history is ${file}`
  }
  const counts = [...broken].sort(([a], [b]) => a.localeCompare(b, "en", { numeric: true }))
  const at = first.at === undefined ? "" : `, of a call at ${(first.at / 1_000).toFixed(1)} s`
  return [
    `FAILED: ${counted(sumOf(broken), "finding")}: ${counts.map(([name, count]) => `${count} of ${name}`).join(", ")}.`,
    `The first${at}: ${first.finding.invariant}: ${first.finding.story}`,
    `To check it again: ${commandLine(`histories --check ${file}`)}`,
    `The logs of nodes and of Postgres: ${file}.logs`
  ].join("\n")
}

/** The finding about the earliest call. Those that name no call come last, in the order of the checks. */
const firstOf = (history: History, findings: ReadonlyArray<Finding>) => {
  const begins = new Map(history.calls.map(({ call, invokedAt }) => [call, invokedAt]))
  const placed = findings.map((finding) => {
    const named = [...finding.story.matchAll(/\bcall (\d+) \(/g)]
    const instants = named.flatMap(([, call]) => begins.get(Number(call)) ?? [])
    return { finding, at: instants.length === 0 ? undefined : Math.min(...instants) }
  })
  return placed.sort((a, b) => (a.at ?? Number.MAX_VALUE) - (b.at ?? Number.MAX_VALUE))[0]
}

/** For the terminal. */
export const summaryOf = (history: History, verdict: Verdict): string => {
  const lines = [headline(history, verdict)]
  for (const { title, rows, head } of tablesOf(history, verdict)) {
    const width = Math.max(...[head, ...rows].map(([first]) => String(first).length))
    const line = ([first, ...others]: ReadonlyArray<string | number>) =>
      `  ${String(first).padEnd(width)}${others.map((cell) => String(cell).padStart(20)).join("")}`
    lines.push("", title, line(head), ...rows.map(line))
  }
  for (const { invariant, story } of verdict.findings) lines.push("", `${invariant}: ${story}`)
  return lines.join("\n")
}

export const reportOf = (history: History, verdict: Verdict, file: string) => {
  const tables = tablesOf(history, verdict).map(({ title, head, rows }) => {
    const line = (cells: ReadonlyArray<string | number>) => `| ${cells.join(" | ")} |`
    const rule = line(head.map((_, n) => (n === 0 ? "---" : "---:")))
    return [`## ${title}`, "", line(head), rule, ...rows.map(line), ""].join("\n")
  })
  const findings =
    verdict.findings.length === 0
      ? ["None."]
      : verdict.findings.map(({ invariant, story }) => `- **${invariant}**: ${story}`)
  const markdown = [
    "# A history on real Postgres",
    "",
    headline(history, verdict),
    "",
    `![Timeline](${basename(file).replace(/\.md$/, ".svg")})`,
    "",
    ...tables,
    "## Findings",
    "",
    ...findings,
    ""
  ].join("\n")
  return { markdown, timeline: timelineOf(history) }
}
