/**
 * Simulates an on-sale through the engine's public API, in a schema of its own; afterwards a
 * checker reads the database and gives the verdict.
 */
import { BoxOffice, layerOf } from "@boxoffice/core"
import { Invariants, ScratchSchema, SqlStore } from "@boxoffice/sql-store"
import { Effect, Fiber, Layer } from "effect"
import { runCrowd } from "./crowd.ts"
import { type Figures, makeFigures, type Sample } from "./figures.ts"
import { openSale } from "./sale.ts"

export interface SimulationOptions {
  /**
   * A schema of an earlier simulation is emptied first. Removed afterwards, unless `keep` is set.
   */
  readonly schema: string
  readonly keep: boolean
  readonly users: number
  readonly seats: number
  readonly maxActive: number
  readonly admitPerMinute: number
  /** The time within which all users arrive. */
  readonly arrivalSeconds: number
  readonly holdSeconds: number
  /** The sale closes after this long, sold out or not. */
  readonly secondsMax: number
  readonly seed: number
  /** Called once a second. */
  readonly onSample: (sample: Sample) => void
}

export interface Run extends SimulationOptions {
  readonly seconds: number
  readonly soldOutAfterSeconds: number | null
  readonly figures: Figures
  readonly checkSeconds: number
  /** Peak resident memory of crowd and engine, without the database. */
  readonly peakMemoryMiB: number
  readonly checks: ReadonlyArray<Invariants.Check>
}

/** Runs the simulation and the checks, on the database of the context. */
export const simulate = (
  options: SimulationOptions
): Effect.Effect<Run, unknown, Layer.Services<ReturnType<typeof SqlStore.layer>>> =>
  Effect.gen(function* () {
    const { schema } = options
    yield* Effect.acquireRelease(ScratchSchema.open(schema), () =>
      options.keep ? Effect.void : Effect.ignore(ScratchSchema.close(schema))
    )
    const deadlocks = yield* Invariants.deadlocks
    const figures = makeFigures()
    // The engine ends with the simulation, so that no call is in flight when the checks count.
    const result = yield* Effect.provide(runSale(options, figures), engine(options))
    const checking = performance.now()
    const checks = [
      ...(yield* Invariants.check({ schema })),
      ...(yield* checkResponses(schema, figures)),
      {
        invariant: "I11",
        meaning: "no deadlocks",
        violations: (yield* Invariants.deadlocks) - deadlocks
      }
    ]
    const numberOf = ({ invariant }: Invariants.Check) => Number(invariant.slice(1))
    return {
      ...options,
      ...result,
      figures,
      checkSeconds: (performance.now() - checking) / 1_000,
      peakMemoryMiB: process.resourceUsage().maxRSS / 1_024,
      checks: checks.toSorted((a, b) => numberOf(a) - numberOf(b))
    }
  }).pipe(Effect.scoped)

const engine = ({ schema, holdSeconds }: SimulationOptions) =>
  layerOf({
    signingKeys: { simulation: "simulation simulation simulation" },
    policies: { holdSeconds },
    sweepEvery: "1 second"
  }).pipe(Layer.provide(SqlStore.layer({ schema, migrate: true, maxConnections: 16 })))

const runSale = (options: SimulationOptions, figures: Figures) =>
  Effect.gen(function* () {
    const { seats, secondsMax, onSample } = options
    const office = yield* BoxOffice
    const sale = yield* openSale(office, options)
    const started = performance.now()
    const elapsed = () => (performance.now() - started) / 1_000
    let soldOutAfterSeconds: number | null = null

    const watch = Effect.gen(function* () {
      while (figures.sold < seats && elapsed() < secondsMax) {
        yield* Effect.sleep("1 second")
        const queue = yield* office.queue.get(sale.queueId)
        onSample(figures.sample(Math.round(elapsed()), queue))
      }
      if (figures.sold >= seats) soldOutAfterSeconds = elapsed()
    })
    const crowd = yield* Effect.forkChild(runCrowd(office, sale, figures, options))
    // The simulation ends when the last seat is sold, or when every user has left.
    yield* Effect.raceFirst(watch, Fiber.join(crowd))
    yield* Fiber.interrupt(crowd)
    return { seconds: elapsed(), soldOutAfterSeconds }
  })

/** Compares the responses that the crowd received with the stored rows. */
const checkResponses = (schema: string, { paymentIds, violations, failures }: Figures) =>
  Effect.map(
    Invariants.payments({ schema }),
    (stored): ReadonlyArray<Invariants.Check> => [
      {
        invariant: "I6",
        meaning: "every payment that was acknowledged is stored",
        violations: Array.from(paymentIds).filter((id) => !stored.has(id)).length
      },
      {
        invariant: "I5",
        meaning:
          "what users saw: equal results for one key, no position that rises, no failed call",
        violations: violations.length + failures.size
      }
    ]
  )
