import { EventFeed } from "@boxoffice/core"
import { Effect, Layer, Schema } from "effect"
import { Argument } from "effect/cli"
import { consumerOf, endpointName } from "../../webhooks/endpoint.ts"
import { Webhooks } from "../../webhooks/webhooks.ts"
import { type DatabaseFlags, database, databaseOf, json, UsageError } from "../flags.ts"
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
  run: (webhooks: Webhooks["Service"], feed: EventFeed["Service"]) => Effect.Effect<A, E>
) =>
  Effect.gen(function* () {
    const { url, schema } = yield* databaseOf(flags)
    return yield* Effect.provide(
      Effect.gen(function* () {
        return yield* run(yield* Webhooks, yield* EventFeed)
      }),
      Webhooks.layer([]).pipe(
        Layer.provideMerge(EventFeed.layerAlone),
        Layer.provide(layerStore(url, schema))
      )
    )
  })

/**
 * Fails if no node has ever delivered to the endpoint: its name is probably mistyped. The caller has
 * found no dead letters of it.
 */
export const mustBeKnown = (feed: EventFeed["Service"], endpoint: string) =>
  Effect.gen(function* () {
    const known = yield* feed.consumers()
    if (known.some(({ consumer }) => consumer === consumerOf(endpoint))) return
    return yield* new UsageError({
      message:
        `There is no endpoint ${endpoint}. \`boxoffice events consumers\` lists endpoints as ` +
        "webhook:NAME, once a server has started with them."
    })
  })
