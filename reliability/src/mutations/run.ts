/**
 * `pnpm reliability mutations`: removes one guard after the other, runs the test that is said to
 * need it, and fails unless that test fails.
 */
import { existsSync } from "node:fs"
import { join } from "node:path"
import { parseArgs } from "node:util"
import { invalid, pattern, wholeNumber } from "../arguments.ts"
import { commandLine, counted, exitCodes, usageOf } from "../usage.ts"
import { type Guard, GuardInvalid, type KillingTest, readGuards, root } from "./guards.ts"
import { type Replacement, Runner } from "./runner.ts"
import { sampleOf } from "./sample.ts"
import { unguarded } from "./scan.ts"
import { readSchemaGuards, type SchemaGuard, withoutGuard } from "./schema.ts"
import { type Survivor, summaryOf } from "./summary.ts"

const usage = usageOf(
  "mutations",
  `Deletes one guard after the other (a lock, a condition, a constraint, a limit), and runs the test that
its comment names. Fails unless each of these tests passes with the guard, and fails without it.`,
  [
    [
      "--only REGEX",
      'only guards that match: "core/src/queue", "-currency ", or a part of the test\'s title'
    ],
    ["--sample N", "only this many, chosen by the seed"],
    ["--seed TEXT", "default: the date of today"],
    ["--list", "lists the guards and runs nothing"],
    [
      "--find FILES",
      `runs these test files, separated by commas, for each chosen guard, and prints the
tests that fail: this finds the test to name. "own" is the file that is named now`
    ]
  ]
)

interface Mutation {
  readonly name: string
  readonly where: string
  readonly killedBy: KillingTest
  readonly replacement: Replacement
}

const ofTheSchema = "the schema"

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
    console.log(usage)
    return exitCodes.held
  }
  const only = pattern("only", values.only)
  const sample = values.sample === undefined ? undefined : wholeNumber("sample", values.sample)
  const files = filesOf(values.find)
  const problems: Array<string> = []
  const note = (problem: string) => {
    problems.push(problem)
    console.log(problem)
  }
  const guards = readGuards(({ message }) => note(message))
  for (const { file, line, text, kind } of unguarded(guards)) {
    note(`${file}:${line}: ${kind} without a guard's comment or an exemption: ${text}`)
  }
  const runner = await Runner.start()
  try {
    const all = [
      ...guards.map(ofSource),
      ...(await schemaGuards(runner, note)).map(ofSchema)
    ].filter(({ name, where, killedBy }) => only.test(`${where} ${name} "${killedBy.title}"`))
    if (all.length === 0) {
      invalid(
        `No guard matches "${values.only}". To list them: ${commandLine("mutations --list")}.`
      )
    }
    const chosen = sample === undefined ? all : sampleOf(all, sample, values.seed)
    if (sample !== undefined) {
      console.log(`${chosen.length} of ${all.length} guards, by the seed ${values.seed}\n`)
    }
    let survivors = 0
    if (values.list) list(chosen)
    else if (files !== undefined) await find(runner, chosen, files)
    else survivors = await mutate(runner, chosen, problems)
    return survivors + problems.length > 0 ? exitCodes.broken : exitCodes.held
  } finally {
    await runner.close()
  }
}

/** The test files of `--find`. */
const filesOf = (named: string | undefined): ReadonlyArray<string> | undefined => {
  const files = named?.split(",")
  const missing = files?.find((file) => file !== "own" && !existsSync(join(root, file)))
  return missing === undefined ? files : invalid(`There is no test file ${missing}.`)
}

/** Those of the source are mutated also if the schema has one without a test. */
const schemaGuards = async (
  runner: Runner,
  note: (problem: string) => void
): Promise<ReadonlyArray<SchemaGuard>> => {
  try {
    return await readSchemaGuards(runner.postgresUrl)
  } catch (error) {
    if (!(error instanceof GuardInvalid)) throw error
    note(error.message)
    return []
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
  where: ofTheSchema,
  killedBy: guard.killedBy,
  replacement: withoutGuard(guard)
})

const list = (mutations: ReadonlyArray<Mutation>): void => {
  for (const { name, where, killedBy } of mutations) {
    console.log(
      `${name.padEnd(36)} ${where}\n${" ".repeat(37)}${killedBy.file} "${killedBy.title}"`
    )
  }
  const ofSchema = mutations.filter(({ where }) => where === ofTheSchema).length
  console.log(`\n${mutations.length - ofSchema} in the source, ${ofSchema} of the schema`)
}

/** Runs each killing test with its guard, and without it. Returns how many guards survive. */
const mutate = async (
  runner: Runner,
  mutations: ReadonlyArray<Mutation>,
  problems: ReadonlyArray<string>
): Promise<number> => {
  const begun = performance.now()
  const unmutated = await runUnmutated(runner, mutations)
  const survivors: Array<Survivor> = []
  for (const [index, mutation] of mutations.entries()) {
    const { name, where, killedBy } = mutation
    const { problem, milliseconds } = unmutated.get(keyOf(killedBy))!
    // Without its guard a test often hangs. It is given time, and not a minute.
    const limitMs = Math.max(10_000, 5 * milliseconds)
    const verdict = problem ?? (await verdictOf(runner, mutation, limitMs))
    const progress = `${index + 1}/${mutations.length}`.padStart(9)
    console.log(`${progress}  ${name.padEnd(36)} ${verdict}`)
    if (verdict.startsWith("killed")) continue
    survivors.push({ name, where, test: `${killedBy.file} "${killedBy.title}"`, verdict })
  }
  const seconds = (performance.now() - begun) / 1_000
  console.log(`\n${summaryOf({ guards: mutations.length, seconds, survivors, problems })}`)
  return survivors.length
}

const keyOf = ({ file, title }: KillingTest): string => `${file}\n${title}`

/** What is wrong with each test before anything is mutated, and how long it takes. */
const runUnmutated = async (runner: Runner, mutations: ReadonlyArray<Mutation>) => {
  const tests = new Map(mutations.map(({ killedBy }) => [keyOf(killedBy), killedBy]))
  console.log(`${counted(tests.size, "test")} with every guard in place`)
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
): Promise<void> => {
  for (const { name, replacement, killedBy } of mutations) {
    const every = files.map((file) => ({ file: file === "own" ? killedBy.file : file, title: "" }))
    const { tests, errors, milliseconds } = await runner.run(every, replacement)
    const failed = tests.filter((test) => test.result().state === "failed")
    console.log(
      `${name}: ${failed.length} of ${counted(tests.length, "test")} fail (${milliseconds | 0} ms)`
    )
    for (const error of errors) console.log(`  outside of tests: ${error.slice(0, 200)}`)
    for (const test of failed) {
      const reason = test.result().errors?.[0]?.message.split("\n")[0]
      console.log(`  ${test.module.relativeModuleId} "${test.name}"  ${reason?.slice(0, 100)}`)
    }
  }
}
