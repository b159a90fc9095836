import { Migrator } from "@boxoffice/sql-store"
import { Console, Effect, Option, Schema } from "effect"
import { Command, Flag } from "effect/cli"
import { appRole, database, databaseOf, json } from "./flags.ts"

export const lockTimeout = Flag.Finite("lock-timeout").pipe(
  Flag.withDescription(
    "How many seconds to wait for the lock of a table, before the migration rolls back; default 5"
  ),
  Flag.withSchema(Schema.Finite.check(Schema.isBetween({ minimum: 0.01, maximum: 86_400 }))),
  Flag.withDefault(5)
)

export const migrate = Command.make(
  "migrate",
  { ...database, appRole, lockTimeout, json },
  (flags) =>
    Effect.gen(function* () {
      const { url, schema } = yield* databaseOf(flags)
      const options = {
        schema,
        appRole: Option.getOrUndefined(flags.appRole),
        lockTimeoutSeconds: flags.lockTimeout
      }
      yield* Effect.gen(function* () {
        const { from, to } = yield* Migrator.plan(options)
        const applied = yield* Migrator.migrate({
          ...options,
          onStep: (title) => Console.error(`Applying ${title} ...`)
        })
        if (flags.json) return yield* Console.log(JSON.stringify({ schema, from, to, applied }))
        const done = from === to ? "is up to date" : `went from version ${from} to ${to}`
        yield* Console.log(`The schema ${schema} ${done}.`)
      }).pipe(Effect.provide(Migrator.layerUrl(url)))
    })
).pipe(
  Command.withDescription(
    "Migrate the schema to the version of this program, in one transaction: all or nothing. A lock " +
      "admits one migration at a time. A newer schema is refused. `boxoffice plan` prints the same " +
      "as SQL, to run it by hand."
  ),
  Command.withExamples([
    { command: "boxoffice migrate", description: "Migrate the database of DATABASE_URL" },
    {
      command: "boxoffice migrate --schema tickets --app-role tickets_app",
      description: "Use another schema, and grant the rights of the engine's role"
    }
  ])
)
