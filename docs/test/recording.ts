/** Writes down what a request makes happen, as the diagrams draw it. */
import { BoxOfficeStore } from "@boxoffice/core"
import type { LoadPlan, Rows } from "@boxoffice/core/store"
import { Context, Effect, Layer, Option, Tracer } from "effect"

export interface Recording {
  /** What has happened since this was last asked. */
  readonly take: () => ReadonlyArray<string>
  /** A store that writes down each call, and hands it on. */
  readonly layerStore: <E, R>(
    store: Layer.Layer<BoxOfficeStore, E, R>
  ) => Layer.Layer<BoxOfficeStore, E, R>
  /** A tracer that writes down the spans of the engine: for its layers, and for a request. */
  readonly layerTracer: Layer.Layer<never>
  readonly context: Context.Context<never>
}

export const makeRecording = (): Recording => {
  let steps: Array<string> = []
  const write = (step: string) => void steps.push(step)

  const tracer = Tracer.make({
    span: (options) => {
      const step = stepOf(options.name)
      if (step !== undefined) write(step)
      return new Tracer.NativeSpan(options)
    }
  })

  const recorded = (store: BoxOfficeStore["Service"]): BoxOfficeStore["Service"] => ({
    ...(Object.fromEntries(
      Object.entries(store).map(([name, call]) => [
        name,
        typeof call !== "function"
          ? call
          : (...args: ReadonlyArray<never>) =>
              Effect.flatMap(Effect.option(Effect.currentSpan), (span) => {
                const inBatch = Option.isSome(span) && span.value.name === batch
                write(`${inBatch ? "Batcher" : "Service"} -> DB: ${name}`)
                return (call as unknown as Call)(...args)
              })
      ])
    ) as unknown as BoxOfficeStore["Service"]),
    transact: <A>(plan: LoadPlan, decide: (rows: Rows) => A) =>
      Effect.suspend(() => {
        write(`Batcher -> DB: load ${kindsOf(plan).join(", ")}`)
        return store.transact(plan, (rows) => {
          const outcome = decide(rows)
          write(`Batcher -> DB: save ${savedBy(rows).join(", ") || "nothing"}`)
          return outcome
        })
      })
  })

  return {
    take: () => {
      const taken = steps
      steps = []
      return taken
    },
    layerStore: (store) =>
      Layer.effect(BoxOfficeStore, Effect.map(BoxOfficeStore, recorded)).pipe(Layer.provide(store)),
    layerTracer: Layer.succeed(Tracer.Tracer, tracer),
    context: Context.make(Tracer.Tracer, tracer) as Context.Context<never>
  }
}

const batch = "Batcher.batch"

type Call = (...args: ReadonlyArray<never>) => Effect.Effect<unknown>

const stepOf = (span: string): string | undefined => {
  if (span === batch) return `Service -> Batcher: ${span}`
  if (span.startsWith("Gate.")) return `Service -> Service: ${span}`
  if (/^(Queue|Catalog|Reservations|Wallet|Payments)\./.test(span)) return `API -> Service: ${span}`
  return undefined
}

const kindsOf = (plan: LoadPlan): ReadonlyArray<string> => [
  ...(plan.outcomes.size > 0 ? ["outcome"] : []),
  ...(plan.queues.size > 0 ? ["queue"] : []),
  ...(plan.tokens.size > 0 ? ["token"] : []),
  ...(plan.liveTokensOf.length > 0 ? ["live token"] : []),
  ...(plan.wallets.size > 0 ? ["wallet"] : []),
  ...(plan.reservations.size > 0 ? ["reservation"] : []),
  ...(plan.seats.length > 0 ? ["seats"] : []),
  ...(plan.seatCounts.length > 0 ? ["seat count"] : []),
  ...(plan.tokensToRead.size > 0 ? ["token without a lock"] : [])
]

const savedBy = (rows: Rows): ReadonlyArray<string> => {
  const { events, outcomes } = rows.changes()
  return [...events.map((event) => event._tag), ...(outcomes.length > 0 ? ["outcome"] : [])]
}
