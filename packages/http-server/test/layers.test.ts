import { readdirSync, readFileSync } from "node:fs"
import { dirname, relative, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import { expect, test } from "vitest"

/** What the modules of each folder may import, beside their own folder. */
const layers: Readonly<Record<string, ReadonlyArray<string>>> = {
  api: [],
  http: ["api"],
  handlers: ["api", "http"],
  server: ["api", "http", "handlers"],
  webhooks: [],
  cli: ["api", "http", "handlers", "server", "webhooks"]
}

const src = fileURLToPath(new URL("../src", import.meta.url))
const modules = readdirSync(src, { recursive: true, encoding: "utf8" })
  .map((path) => path.replaceAll("\\", "/"))
  .filter((path) => path.endsWith(".ts"))

const importsOf = (module: string): ReadonlyArray<string> => {
  const text = readFileSync(resolve(src, module), "utf8")
  const imports = text.matchAll(/(?:\bfrom|\bimport)[\s(]*"(\.[^"]+)"/g)
  return Array.from(imports, ([, path]) =>
    relative(src, resolve(src, dirname(module), path!)).replaceAll("\\", "/")
  )
}

/** The folder of src that a module is in; undefined for the entries. */
const folderOf = (module: string): string | undefined =>
  module.includes("/") ? module.split("/", 1)[0]! : undefined

const isAllowed = (from: string | undefined, to: string | undefined): boolean => {
  // Entries are what the package exports: they may import every module, and no module imports them.
  if (from === undefined) return true
  return to !== undefined && (from === to || layers[from]!.includes(to))
}

test("every folder of src has a place among the layers", () => {
  const folders = new Set(modules.flatMap((module) => folderOf(module) ?? []))
  expect(Array.from(folders).toSorted()).toEqual(Object.keys(layers).toSorted())
})

test("no import runs against the layers", () => {
  const imports = modules.flatMap((from) => importsOf(from).map((to) => ({ from, to })))
  // The pattern finds the imports of the largest folder, those that are loaded on demand included.
  expect(imports).toContainEqual({ from: "cli/boxoffice.ts", to: "cli/demo.ts" })
  expect(imports).toContainEqual({ from: "server/router.ts", to: "handlers/queue.ts" })
  const against = imports.filter(({ from, to }) => !isAllowed(folderOf(from), folderOf(to)))
  expect(against.map(({ from, to }) => `${from} imports ${to}`)).toEqual([])
})
