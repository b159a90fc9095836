/** Draws a history: calls a second by outcome, and below them a line for each kind of fault. */
import type { History } from "../history.ts"
import { durationOf } from "./counts.ts"

const width = 1_200
const left = 260
const chartHeight = 180
const rowHeight = 16
const colours = { ok: "#3a7d44", fail: "#d9a441", unknown: "#b3261e" } as const
type Outcome = keyof typeof colours

export const timelineOf = (history: History): string => {
  const seconds = Math.max(1, Math.ceil(durationOf(history) / 1_000))
  const bucket = Math.max(1, Math.ceil(seconds / 400))
  const buckets = Math.ceil(seconds / bucket)
  const x = (second: number) => left + ((width - left - 10) * second) / seconds
  const counts = { ok: zeros(buckets), fail: zeros(buckets), unknown: zeros(buckets) }
  for (const { outcome, endedAt } of history.calls) {
    const at = Math.floor(endedAt / 1_000 / bucket)
    if (at < buckets) counts[outcome][at]!++
  }
  const most = Math.max(1, ...counts.ok.map((n, at) => n + counts.fail[at]! + counts.unknown[at]!))
  const bars: Array<string> = []
  for (let at = 0; at < buckets; at++) {
    let top = chartHeight + 20
    for (const outcome of Object.keys(colours) as Array<Outcome>) {
      const height = (chartHeight * counts[outcome][at]!) / most
      top -= height
      if (height === 0) continue
      bars.push(
        rect(x(at * bucket), top, x((at + 1) * bucket) - x(at * bucket), height, colours[outcome])
      )
    }
  }
  const kinds = [...new Set(history.faults.map(({ fault }) => fault))].sort()
  const rows = kinds.map((kind, row) => {
    const y = chartHeight + 40 + row * rowHeight
    const marks = history.faults
      .filter(({ fault }) => fault === kind)
      .map(({ beganAt, endedAt }) => {
        const from = x(beganAt / 1_000)
        return rect(from, y, Math.max(2, x(endedAt / 1_000) - from), rowHeight - 4, "#46546b")
      })
    return [text(left - 8, y + 10, kind, "end"), ...marks].join("\n")
  })
  const height = chartHeight + 60 + kinds.length * rowHeight
  const scale = [0, 0.25, 0.5, 0.75, 1].map((part) =>
    text(
      x(part * seconds),
      height - 4,
      `${Math.round(part * seconds)} s`,
      part === 1 ? "end" : "middle"
    )
  )
  const legend = (Object.keys(colours) as Array<Outcome>).map((outcome, n) =>
    [rect(20, 30 + n * 20, 12, 12, colours[outcome]), text(38, 40 + n * 20, outcome, "start")].join(
      "\n"
    )
  )
  const peak = `calls a second, at most ${Math.round(most / bucket)}`
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="11">`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    text(20, 16, peak, "start"),
    ...legend,
    ...bars,
    ...rows,
    ...scale,
    "</svg>\n"
  ].join("\n")
}

const zeros = (length: number): Array<number> => Array.from({ length }, () => 0)
const round = (n: number) => Math.round(n * 10) / 10
const rect = (x: number, y: number, width: number, height: number, fill: string) =>
  `<rect x="${round(x)}" y="${round(y)}" width="${round(width)}" height="${round(height)}" fill="${fill}"/>`
const text = (x: number, y: number, content: string, anchor: string) =>
  `<text x="${round(x)}" y="${round(y)}" text-anchor="${anchor}">${content}</text>`
