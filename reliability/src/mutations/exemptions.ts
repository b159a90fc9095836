/** What looks like a guard, and has no killing test: where, and why. */
interface Exemption {
  readonly file: string
  /** A part of the line. */
  readonly text: string
  readonly reason: string
}

/** Exemptions of one file. */
const inFile = (file: string, texts: Readonly<Record<string, string>>): ReadonlyArray<Exemption> =>
  Object.entries(texts).map(([text, reason]) => ({ file: `packages/${file}`, text, reason }))

const ownId =
  "The id of the row is a hash of the user, the operation and the key, so no other user can have made it."
const page = "The size of a page, and no limit that a caller could exceed."
const ofOperator = "Checks a value of the operator's own command."
const secondLimit = "A sum of waits that each have a deadline of their own."

export const exemptions: ReadonlyArray<Exemption> = [
  // Comparisons of owners.
  ...inFile("core/src/Queue.ts", {
    "token.userId !== payload.userId":
      "Only a database that was restored has another user's row under a signed id. `gate-own-token` and `leave-own` guard what can be done with it."
  }),
  ...inFile("core/src/Reservations.ts", { "made.userId === asked.userId": ownId }),
  ...inFile("core/src/Wallet.ts", { "made.userId === userId": ownId }),

  // Pages, and bounds of reports.
  ...inFile("core/src/engine/page.ts", { "rows.length > limit": page }),
  ...inFile("core/src/queue/live/LiveQueue.ts", { "numbers.length < limit": page }),
  ...inFile("core/src/queue/position.ts", { "waiting <= limit": page }),
  ...inFile("http-server/src/cli/deliveries/dead.ts", { "page.length < limit": page }),
  ...inFile("http-server/src/cli/queue/codes.ts", { "problems.length > problemsMax": page }),
  ...inFile("core/src/queue/live/waitEstimate.ts", {
    "rateVariance > varianceMax": "Says when an estimate is too uncertain to be shown.",
    p90OverP50Max: "Says when an estimate is too uncertain to be shown."
  }),
  ...inFile("core/src/queue/live/LiveQueues.ts", {
    "batch < batchesMax":
      "Shares the node among its queues. A batch that changes nothing ends the loop as well, and the next refresh goes on.",
    "Effect.timeout(fresh, refreshTimeout)":
      "A poll gets the last snapshot sooner than the read's own deadline (`read-deadline`) would let it.",
    "Fiber.await(dueRun), advanceTimeout": "No test tells it from the limit of the sweep."
  }),
  ...inFile("core/src/queue/live/snapshots.ts", {
    "Effect.timeoutOption(closingMs)":
      "The store's own limit on closing ends a flush that hangs as well."
  }),
  ...inFile("core/src/Sweeper.ts", {
    "Effect.timeoutOption(one, workTimeout)":
      "No test tells it from the limit of one queue's batch."
  }),
  ...inFile("http-server/src/webhooks/runner.ts", {
    "parked.size >= parkedMax":
      "Bounds memory. Deliveries arrive without it as well, so only the memory of thousands that fail would tell."
  }),

  ...inFile("core/src/engine/droppedPromises.ts", {
    "depth > depthMax": "Bounds a search in what a host's own policy returned."
  }),

  // Deadlines that stand behind others.
  ...inFile("core/src/engine/realPause.ts", { setTimeout: "A pause, and no deadline." }),
  ...inFile("core/src/events/session.ts", {
    "save(0)), closingMs": "The lease that it gives back runs out by itself."
  }),
  ...inFile("http-server/src/server/server.ts", {
    "closeAllConnections(), seconds": "The library's own graceful shutdown has the same limit."
  }),
  ...inFile("sql-store/src/SqlStore.ts", {
    "withDeadline(verify(options))": "At the start, when no caller waits yet.",
    "withDeadline(pool.get)": "A caller waits for a connection behind others that have deadlines."
  }),
  ...inFile("sql-store/src/batch/transact.ts", {
    "withDeadline(pool.get)": "A batch waits for a connection behind others that have deadlines.",
    "Effect.timeoutOrElse(": secondLimit,
    "withDeadline(runOnPool(query))": "Within the limit of the whole question.",
    'withDeadline(connection.query("ROLLBACK"': "The server has just answered on this connection."
  }),
  ...inFile("sql-store/src/batch/lockedRows.ts", {
    "withDeadline(pipeline.run(connection))":
      "Stands behind the server's own limit of two seconds for these statements."
  }),
  ...inFile("sql-store/src/host/pool.ts", { "Effect.timeoutOrElse(resolveCommit": secondLimit }),
  ...inFile("sql-store/src/host/watch.ts", {
    "timer = setTimeout(tooLong, withinMs)": "Starts the limit of `host-deadline` again."
  }),
  ...inFile("sql-store/src/connection/closing.ts", {
    "return setTimeout(drop, milliseconds)":
      "No test tells it from the limit of the pools behind it.",
    "timer = setTimeout(drop, left())": "No test tells it from the limit of the engine before it."
  }),
  ...inFile("sql-store/src/connection/sockets.ts", {
    "socket.destroy(), goodbyeMs":
      "Closes an ended socket sooner than `socket-useless` would: what it spares is a descriptor."
  }),
  ...inFile("sql-store/src/connection/probe.ts", {
    "set_config('lock_timeout'":
      "Keeps a probe from making a migration the victim of a deadlock check, which no test can time.",
    "withDeadline(pipeline.run(connection))": "Stands behind `ready-deadline`, which is shorter."
  }),
  ...inFile("sql-store/src/doctor/settings.ts", {
    "'statement_timeout'": "Reads a setting.",
    "skewMs > skewMsMax": "The doctor reports, and refuses nothing.",
    "duration: poolerMs": "The doctor reports, and refuses nothing."
  }),
  ...inFile("sql-store/src/host/driverFailure.ts", {
    "depth > depthMax": "Bounds a search in an error of the host's own driver."
  }),

  // Locks and conflicts that others stand behind.
  ...inFile("sql-store/src/ScratchSchema.ts", {
    pg_advisory_xact_lock: "For a command of demonstrations: of two at once, one fails without it."
  }),
  ...inFile("sql-store/src/batch/load/seatCounts.ts", {
    "pg_advisory_xact_lock${mode}":
      "Its two uses have guards: `lock-performance-of-count` and `lock-performance-shared`."
  }),
  ...inFile("sql-store/src/migrate.ts", {
    "ISOLATION LEVEL":
      "Without it, of two nodes that migrate at once by pools of another level, one fails and changes nothing."
  }),
  ...inFile("sql-store/src/migrator/script.ts", {
    pg_advisory_xact_lock: "Of two scripts at once, the key of the record refuses the second."
  }),
  ...inFile("sql-store/src/operations/outbox/consumers.ts", {
    "ON CONFLICT (consumer)": "Its condition is the guard: `lease-taken`."
  }),

  // Commands of an operator.
  ...inFile("http-server/src/cli/config.ts", { "waits.lockTimeoutMs >= limit": ofOperator }),
  ...inFile("http-server/src/cli/input.ts", { "bytes > bytesMax": ofOperator }),
  ...inFile("http-server/src/cli/retention.ts", { "seconds <= most": ofOperator })
]
