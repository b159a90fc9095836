/**
 * The store in memory beside the store on Postgres: random histories of the engine's own commands give
 * the same answers, and leave the same readings and rows. `SEED` and `HISTORIES` explore further.
 */
import { BoxOfficeStore } from "@boxoffice/core"
import { Effect, ManagedRuntime, Result } from "effect"
import { expect, test } from "vitest"
import { makeMemoryDatabase } from "../../core/src/testing/MemoryDatabase.ts"
import { SqlStore } from "../src/index.ts"
import { openServerNodes } from "./memory/arenas.ts"
import { type Count, checkHistories } from "./memory/check.ts"
import { Command, prepare, remember, runCommand } from "./memory/commands.ts"
import { DrawCommand, prepareDraw, rememberDraw, runDrawCommand } from "./memory/draws.ts"
import { Step } from "./memory/overlapSteps.ts"
import { playOverlaps } from "./memory/overlaps.ts"
import { comparing, emptied, memorySide, type Side, serverSide } from "./memory/sides.ts"
import { atEnd, emptyDatabase, openSql } from "./support.ts"

const seed = process.env.SEED ?? "side by side"
const runsOf = (usual: number) => Number(process.env.HISTORIES ?? usual)

/** What a history is made of: commands, and how one side runs them. */
interface Play<Command> {
  readonly prepare: (side: Side) => Effect.Effect<void>
  readonly run: (side: Side, command: Command, number: number) => Effect.Effect<unknown, unknown>
  readonly remember: (side: Side, command: Command, answer: unknown) => void
}

const openServer = async () => {
  const url = await emptyDatabase()
  const runtime = ManagedRuntime.make(SqlStore.layerUrl({ url, migrate: true, maxConnections: 4 }))
  atEnd(() => runtime.dispose())
  const store = await runtime.runPromise(BoxOfficeStore)
  const sql = openSql(url)
  return { store, sql, empty: await emptied(sql) }
}
type Server = Awaited<ReturnType<typeof openServer>>

/** Runs each command on one side and then on the other one. */
const playing =
  <Command extends { readonly _tag: string }>(
    { store, sql, empty }: Server,
    { prepare, run, remember }: Play<Command>
  ) =>
  (history: ReadonlyArray<Command>, count: Count) =>
    Effect.gen(function* () {
      yield* Effect.promise(empty)
      const database = yield* makeMemoryDatabase()
      const layer = database.layerStore()
      const memory = yield* memorySide(
        database,
        yield* Effect.provide(Effect.service(BoxOfficeStore), layer)
      )
      const server = yield* serverSide(sql, store)
      const sides = [memory, server]
      for (const side of sides) yield* prepare(side)
      const story: Array<string> = []
      const { same, sameRows, sameReadings } = comparing(story, memory, server)
      let before: readonly [Command, number] = [history[0]!, 0]
      for (const [n, given] of history.entries()) {
        const [command, number] = given._tag === "repeat" ? before : [given, n]
        before = [command, number]
        story.push(JSON.stringify(given))
        const answers: Array<unknown> = []
        for (const side of sides) {
          const result = yield* Effect.result(run(side, command, number))
          if (Result.isSuccess(result)) remember(side, command, result.success)
          answers.push(
            Result.isSuccess(result)
              ? { answer: result.success }
              : { refusal: (result.failure as { readonly _tag: string })._tag }
          )
          if (side === server) {
            const refusal =
              Result.isFailure(result) && (result.failure as { readonly _tag: string })._tag
            count(`${given._tag}: ${refusal || "true"}`)
          }
        }
        yield* same("the answers", answers[0], answers[1])
        yield* sameReadings()
        yield* sameRows(database.inspect(), sql)
      }
    }).pipe(Effect.scoped)

const histories = runsOf(12)

test(`random histories are the same on both stores (seed: ${seed}, histories: ${histories})`, {
  timeout: 60_000 + histories * 60_000
}, async () => {
  const play = playing<Command>(await openServer(), { prepare, run: runCommand, remember })
  const seen = await checkHistories({ seed, runs: histories, maxShrinks: 60, step: Command, play })
  if (histories < 12) return
  for (const what of ["join: true", "hold: true", "pay: true", "consume: true"]) {
    expect(seen.get(what) ?? 0, what).toBeGreaterThan(0)
  }
})

const draws = runsOf(6)

test(`so are histories of a queue with a draw (seed: ${seed}, histories: ${draws})`, {
  timeout: 60_000 + draws * 60_000
}, async () => {
  const play = playing<DrawCommand>(await openServer(), {
    prepare: prepareDraw,
    run: runDrawCommand,
    remember: rememberDraw
  })
  const seen = await checkHistories({ seed, runs: draws, maxShrinks: 60, step: DrawCommand, play })
  if (draws < 6) return
  for (const what of ["join: true", "leave: true", "reschedule: true", "poll: true"]) {
    expect(seen.get(what) ?? 0, what).toBeGreaterThan(0)
  }
})

const overlaps = runsOf(6)

test(`so are transactions of two nodes that overlap (seed: ${seed}, histories: ${overlaps})`, {
  timeout: 60_000 + overlaps * 60_000
}, async () => {
  // No wait ends by it.
  const lockTimeoutMs = 10_000
  const play = playOverlaps(await openServerNodes(lockTimeoutMs), {
    lockTimeoutMs,
    isPatient: true
  })
  const seen = await checkHistories({
    seed,
    runs: overlaps,
    maxShrinks: 60,
    // Many steps cannot be taken when their turn comes.
    minLength: 25,
    step: Step,
    play
  })
  if (overlaps < 6) return
  const counted = (what: RegExp) =>
    Array.from(seen).reduce((sum, [name, times]) => sum + (what.test(name) ? times : 0), 0)
  expect(counted(/waits/)).toBeGreaterThan(0)
  expect(counted(/cut off/)).toBeGreaterThan(0)
})

const timeouts = runsOf(2)

test(`so are those whose waits for locks time out (seed: ${seed}, histories: ${timeouts})`, {
  timeout: 60_000 + timeouts * 60_000
}, async () => {
  const lockTimeoutMs = 300
  const play = playOverlaps(await openServerNodes(lockTimeoutMs), {
    lockTimeoutMs,
    isPatient: false
  })
  await checkHistories({ seed, runs: timeouts, maxShrinks: 30, step: Step, play })
})
