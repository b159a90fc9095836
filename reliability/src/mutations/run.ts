/**
 * `pnpm reliability mutations`: removes one guard after the other, runs the test that is said to
 * need it, and fails unless that test fails.
 */
import { parseArgs } from "node:util"
import { type Guard, type KillingTest, readGuards } from "./guards.ts"
import { type Replacement, Runner } from "./runner.ts"
import { sampleOf } from "./sample.ts"
import { unguarded } from "./scan.ts"
import { readSchemaGuards, type SchemaGuard, withoutGuard } from "./schema.ts"

const help = `pnpm reliability mutations [options]

Deletes one guard after the other (a lock, a condition, a constraint, a limit), and runs the test that
its comment names. Fails unless each of these tests passes with the guard, and fails without it.

  --only <regex>   only guards that match: "core/src/queue", "-currency ", or a part of the test's title
  --sample <n>     only this many, chosen by the seed
  --seed <text>    default: the date of today
  --list           lists the guards and runs nothing
  --find <files>   runs these test files, separated by commas, for each chosen guard, and prints the
                   tests that fail: this finds the test to name. "own" is the file that is named now
`

interface Mutation {
  readonly name: string
  readonly where: string
  readonly killedBy: KillingTest
  readonly replacement: Replacement
}

export const run = async (args: ReadonlyArray<string>): Promise<number> => {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: "string", default: "" },
      sample: { type: "string" },
      seed: { type: "string", default: new Date().toISOString().slice(0, 10) },
      list: { type: "boolean", default: false },
      find: { type: "string" },
      help: { type: "boolean", default: false }
    }
  })
  if (values.help) {
    console.log(help)
    return 0
  }
  const guards = readGuards()
  const found = unguarded(guards)
  for (const { file, line, text, kind } of found) {
    console.log(`${file}:${line}: ${kind} without a guard's comment or an exemption: ${text}`)
  }
  const runner = await Runner.start()
  try {
    const all = [
      ...guards.map(ofSource),
      ...(await readSchemaGuards(runner.postgresUrl)).map(ofSchema)
    ].filter(({ name, where, killedBy }) =>
      new RegExp(values.only).test(`${where} ${name} "${killedBy.title}"`)
    )
    const chosen =
      values.sample === undefined ? all : sampleOf(all, Number(values.sample), values.seed)
    if (values.sample !== undefined) {
      console.log(`${chosen.length} of ${all.length} guards, by the seed ${values.seed}\n`)
    }
    if (values.list) return list(chosen)
    if (values.find !== undefined) return await find(runner, chosen, values.find.split(","))
    const survivors = await mutate(runner, chosen)
    return survivors + found.length > 0 ? 1 : 0
  } finally {
    await runner.close()
  }
}

const ofSource = (guard: Guard): Mutation => ({
  name: guard.name,
  where: `${guard.file}:${guard.line}`,
  killedBy: guard.killedBy,
  replacement: { file: guard.file, source: guard.patched.source }
})

const ofSchema = (guard: SchemaGuard): Mutation => ({
  name: guard.name,
  where: "the schema",
  killedBy: guard.killedBy,
  replacement: withoutGuard(guard)
})

const list = (mutations: ReadonlyArray<Mutation>): number => {
  for (const { name, where, killedBy } of mutations) {
    console.log(
      `${name.padEnd(36)} ${where}\n${" ".repeat(37)}${killedBy.file} "${killedBy.title}"`
    )
  }
  console.log(`\n${mutations.length} guards`)
  return 0
}

/** Runs each killing test with its guard, and without it. Returns how many guards survive. */
const mutate = async (runner: Runner, mutations: ReadonlyArray<Mutation>): Promise<number> => {
  const begun = performance.now()
  const unmutated = await runUnmutated(runner, mutations)
  let survivors = 0
  for (const [index, mutation] of mutations.entries()) {
    const { problem, milliseconds } = unmutated.get(keyOf(mutation.killedBy))!
    // Without its guard a test often hangs. It is given time, and not a minute.
    const limitMs = Math.max(10_000, 5 * milliseconds)
    const verdict = problem ?? (await verdictOf(runner, mutation, limitMs))
    const isKilled = verdict.startsWith("killed")
    if (!isKilled) survivors++
    const progress = `${index + 1}/${mutations.length}`.padStart(9)
    console.log(`${progress}  ${mutation.name.padEnd(36)} ${verdict}`)
    if (isKilled) continue
    console.log(`${" ".repeat(11)}${mutation.where}`)
    console.log(`${" ".repeat(11)}${mutation.killedBy.file} "${mutation.killedBy.title}"`)
  }
  const seconds = Math.round((performance.now() - begun) / 1_000)
  console.log(
    `\n${mutations.length - survivors} of ${mutations.length} guards have a test that fails without ` +
      `them (${seconds} s)`
  )
  return survivors
}

const keyOf = ({ file, title }: KillingTest): string => `${file}\n${title}`

/** What is wrong with each test before anything is mutated, and how long it takes. */
const runUnmutated = async (runner: Runner, mutations: ReadonlyArray<Mutation>) => {
  const tests = new Map(mutations.map(({ killedBy }) => [keyOf(killedBy), killedBy]))
  console.log(`${tests.size} tests with every guard in place`)
  const { tests: ran, errors } = await runner.run(Array.from(tests.values()))
  for (const error of errors) console.log(`  ${error}`)
  return new Map(
    Array.from(tests, ([key, { file, title }]) => {
      const own = ran.filter(
        (test) => test.module.relativeModuleId === file && test.fullName.includes(title)
      )
      const hasFailed = own.some((test) => test.result().state === "failed")
      const problem = own.length === 0 ? "NO SUCH TEST" : hasFailed ? "FAILS UNMUTATED" : undefined
      const milliseconds = Math.max(0, ...own.map((test) => test.diagnostic()?.duration ?? 0))
      return [key, { problem, milliseconds }] as const
    })
  )
}

const verdictOf = async (
  runner: Runner,
  { killedBy, replacement }: Mutation,
  limitMs: number
): Promise<string> => {
  const { tests, errors, milliseconds } = await runner.run([killedBy], replacement, limitMs)
  const failed = tests.filter((test) => test.result().state === "failed")
  const seconds = (milliseconds / 1_000).toFixed(1)
  if (failed.length > 0) return `killed (${seconds} s)`
  if (tests.length === 0) return `BROKEN: no test could run: ${errors[0] ?? ""}`
  return errors.length > 0 ? `killed by an error outside of its tests (${seconds} s)` : "SURVIVED"
}

const find = async (
  runner: Runner,
  mutations: ReadonlyArray<Mutation>,
  files: ReadonlyArray<string>
): Promise<number> => {
  for (const { name, replacement, killedBy } of mutations) {
    const every = files.map((file) => ({ file: file === "own" ? killedBy.file : file, title: "" }))
    const { tests, errors, milliseconds } = await runner.run(every, replacement)
    const failed = tests.filter((test) => test.result().state === "failed")
    console.log(`${name}: ${failed.length} of ${tests.length} tests fail (${milliseconds | 0} ms)`)
    for (const error of errors) console.log(`  outside of tests: ${error.slice(0, 200)}`)
    for (const test of failed) {
      const reason = test.result().errors?.[0]?.message.split("\n")[0]
      console.log(`  ${test.module.relativeModuleId} "${test.name}"  ${reason?.slice(0, 100)}`)
    }
  }
  return 0
}
