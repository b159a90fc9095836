import { BoxOfficeStore, EventFeed } from "@boxoffice/core"
import { Effect, Layer } from "effect"
import { type DatabaseFlags, databaseOf } from "../flags.ts"
import { layerStore } from "../office.ts"

export type Deliveries = BoxOfficeStore["Service"]["deliveries"]

/** Runs on the outbox and the deliveries of the database that the flags name. */
export const withFeed = <A, E>(
  flags: DatabaseFlags,
  run: (feed: EventFeed["Service"], deliveries: Deliveries) => Effect.Effect<A, E>
) =>
  Effect.gen(function* () {
    const { url, schema } = yield* databaseOf(flags)
    return yield* Effect.provide(
      Effect.gen(function* () {
        const { deliveries } = yield* BoxOfficeStore
        return yield* run(yield* EventFeed, deliveries)
      }),
      Layer.provideMerge(EventFeed.layerAlone, layerStore(url, schema))
    )
  })
