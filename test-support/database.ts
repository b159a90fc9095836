import { randomUUID } from "node:crypto"
import { PgClient } from "@effect/sql-pg"
import { Effect, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { inject } from "vitest"

declare module "vitest" {
  interface ProvidedContext {
    /** The URL of the test server, for a role that may create databases. */
    readonly postgresUrl: string
  }
}

export interface TestDatabase {
  readonly url: string
  readonly drop: () => Promise<void>
}

/** Creates an empty database with a unique name. Outside vitest, give the server. */
export const createTestDatabase = async (
  serverUrl = inject("postgresUrl")
): Promise<TestDatabase> => {
  const name = `test_${randomUUID().replaceAll("-", "")}`
  const url = new URL(serverUrl)
  url.pathname = `/${name}`
  await execute(serverUrl, `CREATE DATABASE ${name}`)
  return {
    url: url.href,
    // Connections that a failed test left open must not prevent the drop.
    drop: () => execute(serverUrl, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)
  }
}

const execute = (url: string, statement: string): Promise<void> =>
  SqlClient.SqlClient.use((sql) => sql.unsafe(statement)).pipe(
    Effect.asVoid,
    Effect.provide(PgClient.layer({ url: Redacted.make(url), maxConnections: 1 })),
    Effect.runPromise
  )
