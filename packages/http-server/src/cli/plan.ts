import { Migrator } from "@boxoffice/sql-store"
import { Console, Effect, Option } from "effect"
import { Command } from "effect/cli"
import { appRole, database, databaseOf, json, schemaOf, yes } from "./flags.ts"
import { lockTimeout } from "./migrate.ts"

const empty = yes("empty", "Plan for an empty schema, without connecting to a database")

export const plan = Command.make(
  "plan",
  { ...database, appRole, lockTimeout, empty, json },
  (flags) =>
    Effect.gen(function* () {
      const options = {
        appRole: Option.getOrUndefined(flags.appRole),
        lockTimeoutSeconds: flags.lockTimeout
      }
      const planned = flags.empty
        ? Migrator.planFromNothing({ ...options, schema: yield* schemaOf(flags.schema) })
        : yield* Effect.flatMap(databaseOf(flags), ({ url, schema }) =>
            Effect.provide(Migrator.plan({ ...options, schema }), Migrator.layerUrl(url))
          )
      yield* Console.log(flags.json ? JSON.stringify(planned) : planned.sql.trimEnd())
    })
).pipe(
  Command.withDescription(
    "Print the SQL that `boxoffice migrate` would run, and run nothing. The script is for psql, in one " +
      "transaction, and lists before each migration which tables it locks, and how."
  ),
  Command.withExamples([
    {
      command: 'boxoffice plan | psql -X -v ON_ERROR_STOP=1 "$DATABASE_URL"',
      description: "Migrate by hand"
    },
    {
      command: "boxoffice plan --empty --app-role tickets_app > boxoffice.sql",
      description: "The complete schema with the rights of the application, for a review"
    }
  ])
)
