/** Arguments, output and error messages that the commands for queues share. */
import {
  type AlreadyExists,
  Queue,
  type QueueAlreadyOpen,
  type QueueClosed,
  type QueueNotFound
} from "@boxoffice/core"
import { QueueId, QueueInfo } from "@boxoffice/core/schema"
import { Console, Effect, Schema } from "effect"
import { Argument } from "effect/cli"
import { type DatabaseFlags, database, databaseOf, json, UsageError } from "../flags.ts"
import { layerOffice } from "../office.ts"

type Queues = Queue["Service"]

interface Flags extends DatabaseFlags {
  readonly json: boolean
}

const id = Argument.String("ID").pipe(
  Argument.withDescription("The queue's id"),
  Argument.withSchema(QueueId)
)

/** Arguments and flags of every command about one queue. */
export const queueFlags = { id, ...database, json }

/** Runs with the queues of the database that the flags name. */
export const withQueues = <A, E>(
  flags: Flags,
  run: (queues: Queues, schema: string) => Effect.Effect<A, E>
) =>
  Effect.gen(function* () {
    const { url, schema } = yield* databaseOf(flags)
    return yield* Effect.provide(
      Effect.flatMap(Queue, (queues) => run(queues, schema)),
      layerOffice(url, schema)
    )
  })

/** Performs an operation on a queue, and prints the resulting state. */
export const operate = <Shown extends QueueInfo, E>(
  flags: Flags & { readonly id: QueueId },
  act: (queues: Queues, id: QueueId) => Effect.Effect<Shown, E>,
  toText: (queue: Shown) => string
) =>
  withQueues(flags, (queues, schema) =>
    act(queues, flags.id).pipe(
      Effect.mapError((error) => explain(error, flags.id, schema)),
      Effect.flatMap((queue) =>
        Console.log(flags.json ? JSON.stringify(toJson(queue)) : toText(queue))
      )
    )
  )

const encode = Schema.encodeSync(QueueInfo)

/** As `GET /v1/admin/queues/{queueId}` returns it; for `create`, also whether it is new. */
export const toJson = (queue: QueueInfo & { readonly created?: boolean }) => ({
  ...encode(queue),
  ...(queue.created !== undefined && { created: queue.created })
})

type Refusal = QueueNotFound | QueueClosed | QueueAlreadyOpen | AlreadyExists

/** A refusal as a message for the operator: the queue, and the next step. */
export const explain = <E>(error: E, id: QueueId, schema: string): E | UsageError => {
  const message = explanation(error as Refusal, id, schema)
  return message === undefined ? error : new UsageError({ message })
}

const explanation = (refusal: Refusal, id: QueueId, schema: string): string | undefined => {
  switch (refusal._tag) {
    case "QueueNotFound":
      return `There is no queue ${id} in the schema ${schema}. \`boxoffice queue list\` lists the queues.`
    case "QueueClosed":
      return `The queue ${id} is closed permanently. \`boxoffice queue create ID\` creates another.`
    case "QueueAlreadyOpen":
      return `The queue ${id} is open already: its opening can no longer be moved. \`boxoffice queue pause ${id}\` stops it.`
    case "AlreadyExists":
      return `There is another queue ${id} already: \`boxoffice queue show ${id}\` shows its settings, and \`boxoffice queue settings ${id}\` changes it.`
    default:
      return undefined
  }
}
