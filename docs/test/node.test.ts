import { globSync, readFileSync } from "node:fs"
import { expect, test } from "vitest"
import { pages, root } from "./markdown.ts"

const read = (file: string) => readFileSync(`${root}/${file}`, "utf8")
const oldest = "22.19"

test("one oldest Node is promised everywhere, and it is the one that the blocks run on", () => {
  const packages = globSync(
    "{package.json,{packages,examples}/*/package.json,bench/package.json}",
    {
      cwd: root
    }
  )
  expect(packages.length).toBeGreaterThan(8)
  for (const file of [...packages, "docs/package.json"]) {
    expect([file, JSON.parse(read(file)).engines?.node]).toEqual([file, `>=${oldest}`])
  }
  expect(JSON.parse(read("docs/package.json")).devDependencies.node).toBe(`${oldest}.0`)
  expect(read("scripts/packages/check.ts")).toContain(`nodeVersions = ["${oldest}.0",`)

  const said = ["README.md", "CONTRIBUTING.md", ...pages].flatMap((page) =>
    Array.from(
      read(page).matchAll(/Node ([\d.]+)(?:,? or newer| and newer)/g),
      ([, version]) => version
    )
  )
  expect(said.length).toBeGreaterThan(2)
  expect(new Set(said)).toEqual(new Set([oldest]))
})
