/** A commit whose answer was lost with the connection: asks the server what became of it. */
import type { PgConnection } from "@effect/sql-pg"
import { Effect, Schedule } from "effect"
import type { SqlError } from "effect/sql/SqlError"
import { type Query, runQuery } from "./Query.ts"

/** `unknown`: the server cannot be reached, or does not know after all this time. */
export type Fate = "committed" | "aborted" | "unknown"

const statusOf = (xid: string): Query<string | null> => ({
  sql: "SELECT pg_xact_status($1::text::xid8)",
  params: [xid],
  read: ([row]) => row![0]
})

// Together about five seconds: a server that is being restarted is often back by then.
const pause = Schedule.spaced("100 millis")
const pausesMax = 50

/**
 * `connected` lends a connection. The server may not have noticed yet that the other one is gone,
 * or may still be busy with its commit, so this waits while the transaction is in progress.
 */
export const fateOf = (
  xid: string,
  connected: <A>(
    use: (connection: PgConnection.PgConnection) => Effect.Effect<A, SqlError>
  ) => Effect.Effect<A, SqlError>
): Effect.Effect<Fate> =>
  connected((connection) => runQuery(connection, statusOf(xid))).pipe(
    Effect.filterOrFail((status) => status !== "in progress"),
    Effect.retry({ schedule: pause, times: pausesMax }),
    Effect.map(
      (status): Fate => (status === "committed" || status === "aborted" ? status : "unknown")
    ),
    Effect.catch(() => Effect.succeed<Fate>("unknown"))
  )
