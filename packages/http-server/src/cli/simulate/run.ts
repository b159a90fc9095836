/**
 * A whole on-sale through the engine's public API, in a schema of its own, and a verdict from a
 * checker that reads the database afterwards.
 */
import { BoxOffice, layerOf } from "@boxoffice/core"
import { Invariants, ScratchSchema, SqlStore } from "@boxoffice/sql-store"
import { Effect, Fiber, Layer } from "effect"
import { runCrowd } from "./crowd.ts"
import { type Figures, makeFigures, type Sample } from "./figures.ts"
import { openSale } from "./sale.ts"

export interface SimulationOptions {
  /** Emptied first, if it is one to play in; removed afterwards, unless it is kept. */
  readonly schema: string
  readonly keep: boolean
  readonly users: number
  readonly seats: number
  readonly maxActive: number
  readonly admitPerMinute: number
  /** Everyone has joined after this long. */
  readonly arrivalSeconds: number
  readonly holdSeconds: number
  /** The sale is closed after this long, sold out or not. */
  readonly secondsMax: number
  readonly seed: number
  /** Told once a second. */
  readonly onSample: (sample: Sample) => void
}

export interface Run extends SimulationOptions {
  readonly seconds: number
  readonly soldOutAfterSeconds: number | null
  readonly figures: Figures
  readonly checkSeconds: number
  /** The most memory that crowd and engine had resident, without the database's. */
  readonly peakMemoryMiB: number
  readonly checks: ReadonlyArray<Invariants.Check>
}

/** Plays and checks, on the database of the context. */
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
    // The engine ends with the play, and with it all that was in flight, before anything is
    // counted.
    const played = yield* Effect.provide(play(options, figures), engine(options))
    const checking = performance.now()
    const checks = [
      ...(yield* Invariants.check({ schema })),
      ...(yield* checkSeen(schema, figures)),
      {
        invariant: "I11",
        meaning: "no deadlocks",
        violations: (yield* Invariants.deadlocks) - deadlocks
      }
    ]
    const numberOf = ({ invariant }: Invariants.Check) => Number(invariant.slice(1))
    return {
      ...options,
      ...played,
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

const play = (options: SimulationOptions, figures: Figures) =>
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
    // The crowd goes home when the last seat is sold, or nobody is left to buy.
    yield* Effect.raceFirst(watch, Fiber.join(crowd))
    yield* Fiber.interrupt(crowd)
    return { seconds: elapsed(), soldOutAfterSeconds }
  })

/** What the crowd was told, beside what is stored. */
const checkSeen = (schema: string, { paymentIds, violations, failures }: Figures) =>
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
          "what the crowd saw: equal replies to one key, no step back in the line, no failed call",
        violations: violations.length + failures.size
      }
    ]
  )
