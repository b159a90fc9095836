/** How a batch ends, and what became of a commit whose answer was lost with the connection. */
import { Effect, Schedule } from "effect"
import type { SqlError } from "effect/sql/SqlError"
import type { Query } from "./Query.ts"

const end = (sql: string): Query<void> => ({ sql, params: [], read: () => {}, unprepared: true })
export const commit = end("COMMIT")
/** A batch that changed nothing has nothing to make durable: this spares the wait for the disk. */
export const rollback = end("ROLLBACK")

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
 * `run` has a connection of its own. The server may not have noticed yet that the other one is gone,
 * or may still be busy with its commit, so this waits while the transaction is in progress.
 */
export const fateOf = (
  xid: string,
  run: <A>(query: Query<A>) => Effect.Effect<A, SqlError>
): Effect.Effect<Fate> =>
  run(statusOf(xid)).pipe(
    Effect.filterOrFail((status) => status !== "in progress"),
    Effect.retry({ schedule: pause, times: pausesMax }),
    Effect.map(
      (status): Fate => (status === "committed" || status === "aborted" ? status : "unknown")
    ),
    Effect.catch(() => Effect.succeed<Fate>("unknown"))
  )
