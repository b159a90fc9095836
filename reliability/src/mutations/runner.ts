/**
 * Runs tests in one vitest process, with a module replaced by a mutated one. Vitest compiles all
 * other modules once, and starts a worker for each run, so a run costs about a second.
 */
import { join } from "node:path"
import { createVitest, type TestCase, type TestRunResult, type Vitest } from "vitest/node"
import { type PostgresServer, startPostgres } from "../../../test-support/startPostgres.ts"
import { type KillingTest, root } from "./guards.ts"
import { escapeRegExp } from "./patch.ts"

/** A module, and the source to load in its place. */
export interface Replacement {
  /** Its path from the root of the repository. */
  readonly file: string
  readonly source: string
}

export interface Ran {
  readonly tests: ReadonlyArray<TestCase>
  /** Errors outside of tests: the module or the test file could not be loaded, for example. */
  readonly errors: ReadonlyArray<string>
  readonly milliseconds: number
}

/** A test that takes this long hangs: see `vitest.config.ts`. */
const hungMs = 60_000

export class Runner {
  private replacement: Replacement | undefined
  private vitest!: Vitest
  private postgres: PostgresServer | undefined

  static async start(): Promise<Runner> {
    const runner = new Runner()
    // Started here, and not by vitest, which gives its URL only after the first run.
    if (process.env.TEST_DATABASE_URL === undefined) {
      runner.postgres = await startPostgres()
      process.env.TEST_DATABASE_URL = runner.postgres.url
    }
    const load = (id: string) =>
      runner.replacement !== undefined && id === join(root, runner.replacement.file)
        ? runner.replacement.source
        : undefined
    runner.vitest = await createVitest(
      // Without the cache on disk: it takes a module's text on disk for what the module is.
      { root, watch: false, reporters: [{}], maxWorkers: 1, fsModuleCache: false },
      { plugins: [{ name: "replacement", enforce: "pre", load }] }
    )
    await runner.vitest.standalone()
    return runner
  }

  /** The URL of the Postgres server that the tests use. */
  get postgresUrl(): string {
    return process.env.TEST_DATABASE_URL!
  }

  /**
   * Runs the tests of these files whose titles contain one of the given parts. A test that takes
   * longer than `limitMs`, if it has no limit of its own, fails.
   */
  async run(
    tests: ReadonlyArray<KillingTest>,
    replacement?: Replacement,
    limitMs = hungMs
  ): Promise<Ran> {
    const begun = performance.now()
    const titles = new Map<string, Array<string>>()
    for (const { file, title } of tests) titles.set(file, [...(titles.get(file) ?? []), title])
    const project = this.vitest.getRootProject()
    project.config.testTimeout = limitMs
    const specifications = Array.from(titles, ([file, parts]) =>
      project.createSpecification(join(root, file), {
        testNamePattern: new RegExp(parts.map(escapeRegExp).join("|"))
      })
    )
    this.replace(replacement)
    try {
      const result = await this.vitest.runTestSpecifications(specifications)
      return { ...outcomeOf(result, titles), milliseconds: performance.now() - begun }
    } finally {
      this.replace(undefined)
    }
  }

  private replace(replacement: Replacement | undefined): void {
    const changed = [this.replacement, replacement]
    this.replacement = replacement
    for (const each of changed) {
      if (each !== undefined) this.vitest.invalidateFile(join(root, each.file))
    }
  }

  async close(): Promise<void> {
    await this.vitest.close()
    await this.postgres?.stop()
  }
}

/** What this run came to: vitest's result also has the files and tests of earlier runs. */
const outcomeOf = (
  { testModules, unhandledErrors }: TestRunResult,
  titles: ReadonlyMap<string, ReadonlyArray<string>>
) => {
  const modules = testModules.filter(({ relativeModuleId }) => titles.has(relativeModuleId))
  const isAsked = ({ module, fullName }: TestCase) =>
    titles.get(module.relativeModuleId)!.some((title) => fullName.includes(title))
  return {
    tests: modules
      .flatMap((module) => Array.from(module.children.allTests()))
      .filter((test) => isAsked(test) && ["passed", "failed"].includes(test.result().state)),
    errors: [...unhandledErrors, ...modules.flatMap((module) => module.errors())].map((error) =>
      String((error as { message?: unknown }).message ?? error)
    )
  }
}
