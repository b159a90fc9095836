/** Flags that several commands share. */
import { Migrator, urlProblem } from "@boxoffice/sql-store"
import { Config, Data, Effect, Option, Redacted } from "effect"
import { Flag } from "effect/cli"

/**
 * The command cannot start: the message says what is missing or wrong, and what to give instead.
 */
export class UsageError extends Data.TaggedError("UsageError")<{ readonly message: string }> {}

const url = Flag.Redacted("url").pipe(
  Flag.withDescription(
    "The database: postgres://user@host:5432/name. Prefer DATABASE_URL, since other users of the " +
      "machine can read the arguments of a process"
  ),
  Flag.optional
)

const schema = Flag.String("schema").pipe(
  Flag.withDescription("The schema of the tables; default BOXOFFICE_SCHEMA, or else boxoffice"),
  Flag.optional
)

export const appRole = Flag.String("app-role").pipe(
  Flag.withDescription("The role that the engine connects as, if it is not the owner"),
  Flag.optional
)

/** A flag that is false by default. */
export const yes = (name: string, description: string) =>
  Flag.Boolean(name).pipe(Flag.withDescription(description), Flag.withDefault(false))

export const json = yes("json", "Print one JSON document on stdout, for scripts")

/** Flags that select the database and the schema. */
export const database = { url, schema }

/** The values of {@link database}. */
export interface DatabaseFlags {
  readonly url: Option.Option<Redacted.Redacted>
  readonly schema: Option.Option<string>
}

/** The database and the schema, by the flags or else by the environment. */
export const databaseOf = (
  flags: DatabaseFlags
): Effect.Effect<{ readonly url: string; readonly schema: string }, UsageError> =>
  Effect.gen(function* () {
    const url = yield* urlOf(flags.url)
    if (Option.isNone(url)) {
      return yield* new UsageError({
        message:
          "Which database? Set DATABASE_URL=postgres://user:password@host:5432/name, or give --url."
      })
    }
    return { url: url.value, schema: yield* schemaOf(flags.schema) }
  })

/** The URL is never printed, since it may contain a password. */
export const urlOf = (
  flag: Option.Option<Redacted.Redacted>
): Effect.Effect<Option.Option<string>, UsageError> =>
  Effect.gen(function* () {
    const given = Option.isSome(flag) ? flag : yield* variable("DATABASE_URL")
    if (Option.isNone(given)) return Option.none()
    const text = Redacted.value(given.value)
    const problem = urlProblem(text)
    if (problem === undefined) return Option.some(text)
    return yield* new UsageError({ message: `The database's URL cannot be read: ${problem}` })
  })

export const schemaOf = (flag: Option.Option<string>): Effect.Effect<string, UsageError> =>
  Effect.gen(function* () {
    const given = yield* variable("BOXOFFICE_SCHEMA")
    const name = Option.getOrElse(flag, () =>
      Option.match(given, { onNone: () => "boxoffice", onSome: Redacted.value })
    )
    if (Migrator.isSchemaName(name)) return name
    return yield* new UsageError({
      message: `"${name}" cannot name the schema: expected 1 to 63 of a-z, 0-9 and _, not beginning with a digit or pg_.`
    })
  })

/** An environment variable, if it is set and not empty. */
const variable = (name: string): Effect.Effect<Option.Option<Redacted.Redacted>> =>
  Config.option(Config.Redacted(name)).pipe(
    Effect.orDie,
    Effect.map(Option.filter((value) => Redacted.value(value) !== ""))
  )
