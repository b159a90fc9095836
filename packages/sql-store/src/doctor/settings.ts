/** Checks the settings of the server and the connection to it that matter to the engine. */
import { type PgClient, PgConnection } from "@effect/sql-pg"
import { Clock, Effect } from "effect"
import type { SqlError } from "effect/sql/SqlError"
import type { Finding } from "./findings.ts"

const skewMsMax = 1_000

interface Server {
  readonly version: string
  readonly major: number
  readonly settings: Readonly<Record<string, string>>
  readonly standby: boolean
  readonly freeConnections: number
  readonly clockMs: number
}

const readServer = (sql: PgClient.PgClient): Effect.Effect<Server, SqlError> =>
  Effect.map(
    sql<Server>`
      SELECT current_setting('server_version') AS version,
        current_setting('server_version_num')::int4 / 10000 AS major,
        (SELECT jsonb_object_agg(name, current_setting(name)) FROM unnest(ARRAY['fsync',
          'full_page_writes', 'synchronous_commit', 'default_transaction_isolation',
          'default_transaction_read_only', 'statement_timeout', 'autovacuum', 'server_encoding',
          'session_replication_role']) AS name) AS settings,
        pg_is_in_recovery() AS standby,
        current_setting('max_connections')::int4
          - current_setting('superuser_reserved_connections')::int4
          - (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')::int4
          AS "freeConnections",
        (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS "clockMs"`,
    ([server]) => server!
  )

/** Each setting, the values that are wrong, and the finding for them. */
const settingRules: ReadonlyArray<
  readonly [name: string, isBad: (value: string) => boolean, Omit<Finding, "code" | "subject">]
> = [
  [
    "fsync",
    (value) => value === "off",
    {
      level: "problem",
      message: "fsync is off: a crash of the machine can corrupt the database.",
      remedy: "Set fsync = on in postgresql.conf."
    }
  ],
  [
    "full_page_writes",
    (value) => value === "off",
    {
      level: "problem",
      message: "full_page_writes is off: a crash in the middle of a write can corrupt a page.",
      remedy: "Set full_page_writes = on in postgresql.conf."
    }
  ],
  [
    "synchronous_commit",
    (value) => value === "off",
    {
      level: "problem",
      message:
        "synchronous_commit is off: a crash can lose payments that were already confirmed to users.",
      remedy: "Set synchronous_commit = on, for this role or database at least."
    }
  ],
  [
    "default_transaction_read_only",
    (value) => value === "on",
    {
      level: "problem",
      message: "Transactions are read-only by default: the engine cannot write.",
      remedy: "Reset default_transaction_read_only for this role and database."
    }
  ],
  [
    "session_replication_role",
    (value) => value === "replica",
    {
      level: "problem",
      message: "session_replication_role is replica: triggers and foreign keys guard nothing.",
      remedy: "Reset session_replication_role for this role and database."
    }
  ],
  [
    "server_encoding",
    (value) => value !== "UTF8",
    {
      level: "problem",
      message:
        "The database is not encoded in UTF8: some names and titles cannot be stored, and no store starts on it.",
      remedy: "Create a database with ENCODING 'UTF8' TEMPLATE template0 and restore into it."
    }
  ],
  [
    "default_transaction_isolation",
    (value) => value !== "read committed",
    {
      level: "note",
      message:
        "Transactions are stricter than READ COMMITTED by default. The engine sets its own level, " +
        "but inside a transaction of yours your level applies, and you get serialization failures.",
      remedy: "Leave it if your own code wants it."
    }
  ],
  [
    "autovacuum",
    (value) => value === "off",
    {
      level: "warning",
      message: "autovacuum is off: tables that change all the time will grow and slow down.",
      remedy: "Set autovacuum = on in postgresql.conf."
    }
  ],
  [
    "statement_timeout",
    (value) => /^\d+ms$/.test(value),
    {
      level: "warning",
      message:
        "statement_timeout is below a second: a batch that waits for a lock is cut off, and its " +
        "callers have to try again.",
      remedy: "Allow a few seconds for the role of the engine."
    }
  ]
]

export const checkServer = (
  sql: PgClient.PgClient
): Effect.Effect<
  { readonly version: string; readonly findings: ReadonlyArray<Finding> },
  SqlError
> =>
  Effect.gen(function* () {
    const before = yield* Clock.currentTimeMillis
    const server = yield* readServer(sql)
    const after = yield* Clock.currentTimeMillis
    const findings: Array<Finding> = []
    if (server.major < 15) {
      findings.push({
        level: "problem",
        code: "server_too_old",
        subject: "server",
        message: `Postgres ${server.version} is older than what the engine is tested on.`,
        remedy: "Upgrade to Postgres 15 or newer."
      })
    }
    if (server.standby) {
      findings.push({
        level: "problem",
        code: "standby",
        subject: "server",
        message: "This server is a standby: the engine cannot write.",
        remedy: "Connect to the primary."
      })
    }
    for (const [name, isBad, finding] of settingRules) {
      if (isBad(server.settings[name]!)) {
        findings.push({ ...finding, code: `setting_${name}`, subject: `setting ${name}` })
      }
    }
    if (server.freeConnections < 10) {
      findings.push({
        level: "warning",
        code: "connections_scarce",
        subject: "setting max_connections",
        message: `The server has ${server.freeConnections} connections left; one node takes 10 by default.`,
        remedy: "Raise max_connections, put a pooler in front, or lower BOXOFFICE_CONNECTIONS."
      })
    }
    // The server read its clock at some moment between the two: only a time outside them is skew.
    const skewMs = Math.max(before - server.clockMs, server.clockMs - after, 0)
    if (skewMs > skewMsMax) {
      findings.push({
        level: "warning",
        code: "clock_skew",
        subject: "clock",
        message:
          `This machine's clock is ${(skewMs / 1_000).toFixed(1)} s away from the server's. Holds ` +
          "and admissions go by the server's alone, but logs, JWTs and webhooks do not.",
        remedy: "Synchronize both with NTP."
      })
    }
    return { version: server.version, findings: [...findings, ...(yield* checkPooler(sql))] }
  })

/**
 * Detects a pooler. A session states its process id when it starts; if another process answers, a
 * pooler is in between. A pooler by session gives a client the same session again while another
 * client is in a transaction; a pooler by transaction lends that session to the other client.
 */
const checkPooler = (sql: PgClient.PgClient): Effect.Effect<ReadonlyArray<Finding>, SqlError> =>
  Effect.gen(function* () {
    const config = { ...sql.config, prepare: false, multiplex: false }
    const one = yield* PgConnection.make(config)
    if ((yield* pidOf(one)) === one.processId) return []
    const other = yield* PgConnection.make(config)
    const pids = new Set<number>()
    for (let i = 0; i < 5; i++) {
      pids.add(yield* pidOf(one))
      yield* other.query("BEGIN", [], false)
      yield* pidOf(other)
      pids.add(yield* pidOf(one))
      yield* other.query("ROLLBACK", [], false)
    }
    if (pids.size === 1) return []
    return [
      {
        level: "warning" as const,
        code: "pooler_by_transaction",
        subject: "connection",
        message:
          "A pooler, such as PgBouncer in transaction mode, gives each transaction another session. " +
          "Unless it keeps track of prepared statements, as PgBouncer does from 1.21 on with " +
          "max_prepared_statements, some requests fail: prepared statement … does not exist.",
        remedy:
          "Set BOXOFFICE_PREPARED_STATEMENTS=off (in a host, preparedStatements: false). Or set " +
          "max_prepared_statements to 200 or more, or pool by session."
      }
    ]
  }).pipe(
    Effect.scoped,
    Effect.timeoutOrElse({ duration: poolerMs, orElse: () => Effect.succeed([]) })
  )

/** If a pooler has a single session, one connection would wait for the other. */
const poolerMs = 5_000

const pidOf = (connection: PgConnection.PgConnection): Effect.Effect<number, SqlError> =>
  Effect.map(
    connection.queryValues("SELECT pg_backend_pid()::int4", [], false),
    ([row]) => row![0] as number
  )
