/** All operations on the outbox besides writing it, whatever runs their statements. */
import type { StoreUnavailable } from "@boxoffice/core"
import type { Outbox } from "@boxoffice/core/store"
import type { Effect } from "effect"
import type { Query, Row } from "../../Query.ts"
import type { SchemaName } from "../../schemaName.ts"
import {
  deleteConsumer,
  listConsumers,
  recoverConsumers,
  resetConsumer,
  saveConsumer,
  takeConsumerLease
} from "./consumers.ts"
import { pruneOutbox } from "./prune.ts"
import { readOutbox } from "./read.ts"

/** Makes an operation of a query: one statement, in a span of this name. */
export type Reading = <Args extends Row, A>(
  name: string,
  query: (...args: Args) => Query<A>
) => (...args: Args) => Effect.Effect<A, StoreUnavailable>

export const makeOutbox = (schema: SchemaName) => {
  const takeLease = takeConsumerLease(schema)
  const read = readOutbox(schema)
  const save = saveConsumer(schema)
  const consumers = listConsumers(schema)
  const reset = resetConsumer(schema)
  const recover = recoverConsumers(schema)
  const remove = deleteConsumer(schema)
  const prune = pruneOutbox(schema)
  return (reading: Reading): Outbox => ({
    takeLease: reading("outbox.takeLease", takeLease),
    read: reading("outbox.read", read),
    save: reading("outbox.save", save),
    consumers: reading("outbox.consumers", consumers)(),
    reset: reading("outbox.reset", reset),
    recover: reading("outbox.recover", recover)(),
    remove: reading("outbox.remove", remove),
    prune: reading("outbox.prune", prune)
  })
}
