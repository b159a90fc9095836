import { describe, expect, test } from "vitest"
import {
  circlesIn,
  coreLayers,
  diagramOfLayers,
  edgesIn,
  layerOf,
  layersTitle,
  sqlStoreLayers
} from "./layers.ts"
import { codeBlocks } from "./markdown.ts"

describe.each([
  ["core", coreLayers],
  ["sql-store", sqlStoreLayers]
])("the layers of %s", (name, layers) => {
  const edges = edgesIn(name)

  test("every file is in one of them, and every pattern has a file", () => {
    const files = Array.from(new Set(edges.flatMap(({ from, to }) => [from, to])))
    expect(files.length).toBeGreaterThan(50)
    expect(files.filter((file) => layerOf(layers, file) === -1)).toEqual([])
    const used = new Set(files.map((file) => layerOf(layers, file)))
    expect(used.size).toBe(layers.length)
  })

  test("no file imports one of a layer above it, not even a type", () => {
    const up = edges.filter(({ from, to }) => layerOf(layers, to) < layerOf(layers, from))
    expect(up.map(({ from, to }) => `${from} imports ${to}`)).toEqual([])
  })
})

test.each(["core", "sql-store", "http-server"])(
  "no files of %s import each other in a circle",
  (name) => {
    expect(circlesIn(edgesIn(name))).toEqual([])
  }
)

test("a circle is found, and one of types alone is none", () => {
  const edge = (from: string, to: string, isOfTypes = false) => ({ from, to, isOfTypes })
  const line = [edge("a", "b"), edge("b", "c"), edge("a", "c")]
  expect(circlesIn([...line, edge("c", "b", true)])).toEqual([])
  expect(circlesIn([...line, edge("c", "b")])).toEqual(["b imports c imports b"])
})

test("the architecture page shows the layers of core", () => {
  const shown = codeBlocks("docs/architecture.md").find(({ text }) => text.startsWith(layersTitle))
  expect(shown?.text).toBe(diagramOfLayers(coreLayers))
})
