import { EventFeed } from "@boxoffice/core"
import { Effect, Layer } from "effect"
import { type DatabaseFlags, databaseOf } from "../flags.ts"
import { layerStore } from "../office.ts"

/** Runs on the outbox of the database that the flags name. */
export const withFeed = <A, E>(
  flags: DatabaseFlags,
  run: (feed: EventFeed["Service"]) => Effect.Effect<A, E>
) =>
  Effect.gen(function* () {
    const { url, schema } = yield* databaseOf(flags)
    return yield* Effect.provide(
      Effect.flatMap(EventFeed, run),
      Layer.provide(EventFeed.layerAlone, layerStore(url, schema))
    )
  })
