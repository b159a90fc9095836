/**
 * How a store runs a batch again, and how it finds out what became of a COMMIT whose answer was lost.
 * Every store does both by these rules.
 */
import { Effect, Schedule } from "effect"
import { StoreUnavailable } from "../Errors.ts"
import type { LoadPlan } from "./LoadPlan.ts"
import type { Rows } from "./Rows.ts"

/** The most attempts of one batch. After that the caller gets `StoreUnavailable` and can retry. */
const attemptsMax = 12

/** What an error of the database means for a batch. */
export interface AttemptFault {
  /** What the caller gets if the batch does not run again. */
  readonly unavailable: StoreUnavailable
  /** Whether running the batch again on fresh rows can help. */
  readonly isContention: boolean
  /** Whether the connection was lost, so that a statement that was sent may have run. */
  readonly isLost: boolean
  /** The duplicate key, by its constraint and its values. */
  readonly duplicateKey: string | undefined
  /** Whether that key is the id of what a command inserts. */
  readonly isCommandsOwnKey: boolean
}

/**
 * How an attempt failed. `attempt` is set if its COMMIT had been sent, so that it may have
 * committed; then `outcome` is what it would have answered.
 */
export interface FailedAttempt<Sent> {
  readonly fault: AttemptFault
  readonly outcome: unknown
  readonly attempt: Sent | undefined
}

/**
 * - `committed`: the attempt's own row is in the outbox.
 * - `absent`: the row is not there and cannot appear later.
 * - `unknown`: the store reached no server that could know, or the server's answer does not settle
 *   it.
 */
export type CommitStatus = "committed" | "absent" | "unknown"

/**
 * Runs an attempt again if that can help. If the connection was lost during the COMMIT, finds out
 * first whether the attempt committed.
 */
export const retryAttempts = <Sent>(options: {
  readonly attempt: <A>(
    plan: LoadPlan,
    decide: (rows: Rows) => A
  ) => Effect.Effect<A, FailedAttempt<Sent>>
  readonly resolveLostCommit: (lost: Sent) => Effect.Effect<CommitStatus>
  /** The wait after this many attempts. */
  readonly backOff: (attempts: number) => Effect.Effect<void>
}) => {
  const run = <A>(
    plan: LoadPlan,
    decide: (rows: Rows) => A,
    attempts: number,
    previousKey?: string
  ): Effect.Effect<A, StoreUnavailable> =>
    Effect.catch(options.attempt(plan, decide), ({ fault, outcome, attempt }) => {
      const { unavailable, duplicateKey } = fault
      const runAgain = () =>
        // Guard attempts: with "false" for "attempts >= attemptsMax", sql-store/retry.test "endless contention" fails.
        attempts >= attemptsMax
          ? Effect.fail(unavailable)
          : Effect.andThen(options.backOff(attempts), run(plan, decide, attempts + 1, duplicateKey))
      // A key that existed once may come from another node that was first. If the same key exists
      // in the next attempt as well, it stays: one command of the batch can never be inserted. The
      // batcher bisects the batch to isolate that command.
      // Guard same-key-twice: without it, sql-store/forgottenKeys.test "makes no second token" fails.
      if (duplicateKey !== undefined && duplicateKey === previousKey) {
        const isTaken = fault.isCommandsOwnKey ? { isTaken: true } : {}
        const { cause } = unavailable
        return Effect.fail(new StoreUnavailable({ retryable: false, cause, ...isTaken }))
      }
      if (fault.isContention) return runAgain()
      if (attempt === undefined || !fault.isLost) return Effect.fail(unavailable)
      return Effect.flatMap(options.resolveLostCommit(attempt), (status) => {
        if (status === "committed") return Effect.succeed(outcome as A)
        return status === "absent" ? runAgain() : Effect.fail(unavailable)
      })
    })
  return <A>(plan: LoadPlan, decide: (rows: Rows) => A): Effect.Effect<A, StoreUnavailable> =>
    run(plan, decide, 1)
}

/**
 * How long a statement of a batch may take. A statement that locks many rows waits for each of them up
 * to the limit of one lock, and the batch holds what it has got meanwhile: after three such waits the
 * batcher finds out which rows are locked. An operator's command has the full time: it can add 100,000
 * seats at once.
 */
export const statementTimeoutOf = (
  plan: LoadPlan,
  waits: { readonly lockTimeoutMs: number; readonly statementTimeoutMs: number }
): number =>
  plan.performances.size > 0
    ? waits.statementTimeoutMs
    : Math.min(waits.statementTimeoutMs, 3 * waits.lockTimeoutMs)

/** How an error of this SQLSTATE tells a batcher that locks may be the cause. */
export const waitOf = (
  sqlState: string | undefined
): Pick<StoreUnavailable, "isBusy" | "isSlow"> => {
  // The wait for one lock timed out, or a statement, which may have waited for several.
  if (sqlState === "55P03") return { isBusy: true }
  return sqlState === "57014" ? { isSlow: true } : {}
}

/** What a server says of an attempt whose COMMIT was sent. */
export interface AttemptStatus {
  /**
   * The server's status of the transaction id. `none`: the server has not assigned the id yet, or
   * has forgotten it. `standby`: a standby may lag behind, so a row missing there proves nothing.
   */
  readonly status: "in progress" | "committed" | "aborted" | "none" | "standby"
  /** Whether the outbox has the attempt's own row. */
  readonly hasRow: boolean
}

// Together about five seconds: a server that restarts is often back by then.
const pause = Schedule.spaced("100 millis")
const pausesMax = 50

/**
 * Finds out whether an attempt committed, by `readStatus`.
 *
 * The server's status of the transaction id is not enough to say "committed". After a crash, or on
 * a new leader, the server reuses ids whose records never reached the disk, so another transaction
 * may have committed under this id. Only the attempt's own row proves its commit.
 *
 * If the id is committed and the row is missing, the store reads once more: the commit may have come
 * between the query's snapshot and its reading of the status. If the row is still missing, either
 * another transaction has the id or the row was pruned, and the status is unknown. It is unknown,
 * too, once the store drops its connections (`isDropped`).
 */
export const settleCommit = <E>(
  readStatus: Effect.Effect<AttemptStatus, E>,
  isDropped: () => boolean = () => false
): Effect.Effect<CommitStatus> =>
  Effect.gen(function* () {
    const found = yield* readStatus.pipe(
      Effect.filterOrFail(({ status }) => status !== "in progress"),
      Effect.retry({ schedule: pause, times: pausesMax, while: () => !isDropped() })
    )
    const { status, hasRow } =
      found.status === "committed" && !found.hasRow ? yield* readStatus : found
    if (hasRow) return "committed"
    return status === "aborted" || status === "none" ? "absent" : "unknown"
  }).pipe(Effect.catch(() => Effect.succeed<CommitStatus>("unknown")))

/**
 * Keys that two nodes may insert at once: on the next attempt, the second node sees the first one's
 * row.
 */
const sharedKeys = new Set([
  "queue_pkey",
  "show_pkey",
  "performance_pkey",
  "seat_pkey",
  "queue_token_pkey",
  "queue_token_live_once",
  "wallet_pkey",
  "reservation_pkey",
  "reservation_payment_once",
  "transfer_pkey",
  "command_outcome_pkey"
])

/** Whether two nodes may insert the same key at once, so that a duplicate is no fault. */
export const isSharedKey = (constraint: string): boolean => sharedKeys.has(constraint)

/** Keys that a command inserts under its own id. */
const keysOfCommands = new Set([
  "queue_token_pkey",
  "reservation_pkey",
  "reservation_payment_once",
  "transfer_pkey"
])

/** Whether a command inserts this key under its own id. */
export const isKeyOfCommand = (constraint: string): boolean => keysOfCommands.has(constraint)

/**
 * SQLSTATEs of failures that may pass: the network or the machine has failed; memory or connections
 * have run out; a lock, statement or transaction timed out; the server is a standby. Any other
 * error would come again: data that the server cannot store (22), a rule of the schema (23), a
 * missing right or table (42).
 */
const passing = /^(08|53|58|55P03|57014|25006|25P03|25P04)/

export const isPassingState = (sqlState: string): boolean => passing.test(sqlState)

/**
 * Whether running a batch again on fresh rows can help: the server asked for it (40001, 40P01),
 * another node was first, or a prepared statement is older than a migration (0A000) or gone
 * (26000).
 */
export const isContentionState = (
  sqlState: string | undefined,
  constraint: string | undefined
): boolean => {
  if (sqlState === "23505") return isSharedKey(constraint ?? "")
  return ["40001", "40P01", "0A000", "26000"].includes(sqlState ?? "")
}
