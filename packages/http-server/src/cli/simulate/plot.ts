/** Plots lines over time as SVG, for light and dark pages. */

export interface Line {
  readonly label: string
  readonly color: string
  readonly points: ReadonlyArray<readonly [x: number, y: number]>
}

const width = 720
const height = 240
const left = 64
const right = 12
const top = 34
const bottom = 28

export const plot = (title: string, unit: string, lines: ReadonlyArray<Line>): string => {
  const xMax = Math.max(1, ...lines.flatMap(({ points }) => points.map(([x]) => x)))
  const yMax = niceCeiling(Math.max(1, ...lines.flatMap(({ points }) => points.map(([, y]) => y))))
  const x = (value: number) => left + (value / xMax) * (width - left - right)
  const y = (value: number) => height - bottom - (value / yMax) * (height - top - bottom)
  const gridLines = [0, 0.25, 0.5, 0.75, 1].map((share) => {
    const at = y(share * yMax).toFixed(1)
    const label = Math.round(share * yMax).toLocaleString("en")
    return `<line x1="${left}" x2="${width - right}" y1="${at}" y2="${at}" class="grid"/>
  <text x="${left - 6}" y="${at}" class="y">${label}</text>`
  })
  const paths = lines.map(({ color, points }) => {
    const d = points.map(
      ([px, py], i) => `${i === 0 ? "M" : "L"}${x(px).toFixed(1)} ${y(py).toFixed(1)}`
    )
    return `<path d="${d.join("")}" fill="none" stroke="${color}" stroke-width="1.8"/>`
  })
  const legend = lines.map(
    ({ label, color }, i) =>
      `<text x="${left + 130 * i}" y="28" style="fill:${color}" class="legend">${label}</text>`
  )
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="${title}">
  <style>text{font:11px sans-serif;fill:#777}.title{font-weight:bold;font-size:12px}
  .y{text-anchor:end;dominant-baseline:middle}.legend{font-weight:bold}.grid{stroke:#8884}</style>
  <text x="${left}" y="13" class="title">${title}</text>
  ${legend.join("\n  ")}
  ${gridLines.join("\n  ")}
  ${paths.join("\n  ")}
  <text x="${width - right}" y="${height - 8}" text-anchor="end">${Math.round(xMax)} ${unit}</text>
  <text x="${left}" y="${height - 8}">0</text>
</svg>
`
}

const niceCeiling = (value: number): number => {
  const power = 10 ** Math.floor(Math.log10(value))
  const step = [1, 2, 2.5, 5, 10].find((factor) => factor * power >= value) ?? 10
  return step * power
}
