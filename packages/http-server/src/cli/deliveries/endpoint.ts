import { EventFeed } from "@boxoffice/core"
import { Effect, Layer, Schema } from "effect"
import { Argument } from "effect/cli"
import { endpointName } from "../../webhooks/endpoint.ts"
import { Webhooks } from "../../webhooks/webhooks.ts"
import { type DatabaseFlags, database, databaseOf, json } from "../flags.ts"
import { layerStore } from "../office.ts"

const endpoint = Argument.String("ENDPOINT").pipe(
  Argument.withDescription("The name of the webhook endpoint"),
  Argument.withSchema(
    Schema.String.check(
      Schema.isPattern(endpointName, {
        message: "Expected 1 to 48 letters, digits, and _ . -"
      })
    )
  )
)

/** Arguments and flags of every command about one endpoint. */
export const endpointFlags = { endpoint, ...database, json }

export const eventIds = Argument.String("EVENT").pipe(
  Argument.withDescription("The ids of events; default all dead letters"),
  Argument.withSchema(
    Schema.String.check(
      Schema.isPattern(/^\d{1,19}-\d{1,9}$/, {
        message: "Expected the id of an event, such as 4012-1"
      })
    )
  ),
  Argument.variadic()
)

/** Runs on the stored deliveries. It delivers nothing itself: the servers do. */
export const withWebhooks = <A, E>(
  flags: DatabaseFlags,
  run: (webhooks: Webhooks["Service"]) => Effect.Effect<A, E>
) =>
  Effect.gen(function* () {
    const { url, schema } = yield* databaseOf(flags)
    return yield* Effect.provide(
      Effect.flatMap(Webhooks, run),
      Webhooks.layer([]).pipe(
        Layer.provide(EventFeed.layerAlone),
        Layer.provide(layerStore(url, schema))
      )
    )
  })
