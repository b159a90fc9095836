/**
 * The cost of the types for a host's type-checker, counted and not timed: against the published
 * declarations, as a host checks them. A count above its budget shows a type that became expensive;
 * a budget that has become much too large must be lowered.
 */
import { execFile } from "node:child_process"
import { globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { afterAll, beforeAll, expect, test } from "vitest"

const core = fileURLToPath(new URL("..", import.meta.url))
const directory = `${core}.boxoffice/types-${process.pid}`
const run = promisify(execFile)
const tsc = (...args: ReadonlyArray<string>) =>
  run(`${core}../../node_modules/.bin/tsc`, ["--singleThreaded", ...args], { cwd: core }).catch(
    ({ stdout }: { readonly stdout: string }) => expect.fail(stdout)
  )

beforeAll(async () => {
  mkdirSync(directory, { recursive: true })
  await tsc(
    ...["-p", ".", "--composite", "false", "--incremental", "false", "--tsBuildInfoFile", "null"],
    ...["--declarationMap", "false", "--outDir", `${directory}/core`]
  )
}, 60_000)
afterAll(() => rmSync(directory, { recursive: true, force: true }))

/** The cost of checking one file of a host, beyond that of an empty file. */
const costOf = async (fixture: string) => {
  const empty = await count("empty", `${directory}/empty.ts`)
  const full = await count(fixture, `${core}test/types/${fixture}.ts`)
  return {
    types: full.types - empty.types,
    instantiations: full.instantiations - empty.instantiations
  }
}

const count = async (name: string, file: string) => {
  writeFileSync(`${directory}/empty.ts`, "export {}\n")
  const config = {
    extends: "../../../../tsconfig.base.json",
    compilerOptions: {
      noEmit: true,
      declaration: false,
      declarationMap: false,
      customConditions: [],
      types: [],
      paths: { "@boxoffice/core": ["./core/index.d.ts"] }
    },
    files: [file]
  }
  writeFileSync(`${directory}/${name}.json`, JSON.stringify(config))
  const { stdout } = await tsc("-p", `${directory}/${name}.json`, "--extendedDiagnostics")
  const figure = (label: string) =>
    Number(stdout.match(new RegExp(`^${label}:\\s+(\\d+)$`, "m"))?.[1])
  return { types: figure("Types"), instantiations: figure("Instantiations") }
}

test.each([
  { fixture: "promises", types: 4_000, instantiations: 14_000 },
  { fixture: "effect", types: 7_500, instantiations: 18_000 }
])(
  "a host in the style of $fixture stays within its budget",
  { timeout: 60_000 },
  async (budget) => {
    const cost = await costOf(budget.fixture)
    expect(cost.types).toBeGreaterThan(budget.types / 2)
    expect(cost.types).toBeLessThanOrEqual(budget.types)
    expect(cost.instantiations).toBeLessThanOrEqual(budget.instantiations)
  }
)

test("what a host without Effect reads of an operation names nothing of Effect", () => {
  const files = globSync(["promises/*.d.ts", "policies/rules.d.ts", "Interval.d.ts"], {
    cwd: `${directory}/core`,
    // How the operations run is internal.
    exclude: ["promises/operations.d.ts", "promises/runEvents.d.ts"]
  })
  expect(files.length).toBe(10)
  for (const file of files) {
    expect(readFileSync(`${directory}/core/${file}`, "utf8")).not.toMatch(/from "effect/)
  }
})
