import { spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync } from "node:fs"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { PgClient } from "@effect/sql-pg"
import { Effect, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import { expect, inject, test, vi } from "vitest"
import { createTestDatabase } from "./database.ts"
import type { PostgresServer } from "./startPostgres.ts"

const query = (url: string, statement: string) =>
  SqlClient.SqlClient.use((sql) => sql.unsafe(statement)).pipe(
    Effect.provide(PgClient.layer({ url: Redacted.make(url), maxConnections: 1 })),
    Effect.runPromise
  )

const databases = async () => {
  const rows = await query(inject("postgresUrl"), "SELECT datname FROM pg_database")
  return rows.map((row) => (row as { datname: string }).datname)
}

const isRunning = (pid: number) => {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

test("the test server is a real Postgres, as durable as in production", async () => {
  const [version] = await query(inject("postgresUrl"), "SELECT version()")
  expect(version).toMatchObject({ version: expect.stringMatching(/^PostgreSQL 1[5-9]/) })
  expect(await query(inject("postgresUrl"), "SHOW fsync")).toEqual([{ fsync: "on" }])
})

test("a test database is created empty and dropped, even while a session is connected", async () => {
  const database = await createTestDatabase()
  const name = new URL(database.url).pathname.slice(1)
  expect(await databases()).toContain(name)

  const connected = query(database.url, "SELECT pg_sleep(60)").catch(() => "disconnected")
  await vi.waitFor(
    async () => {
      const clients = await query(
        inject("postgresUrl"),
        `SELECT 1 FROM pg_stat_activity WHERE datname = '${name}'`
      )
      expect(clients).toHaveLength(1)
    },
    { timeout: 10_000 }
  )

  await database.drop()
  expect(await databases()).not.toContain(name)
  expect(await connected).toBe("disconnected")
})

const endings = ["stop", "SIGINT", "SIGTERM", "SIGKILL", "throw"] as const

test.each(endings)(
  "no server or directory is left behind after %s",
  { timeout: 60_000 },
  async (ending) => {
    const starter = spawn(
      process.execPath,
      [fileURLToPath(new URL("./startAndWait.ts", import.meta.url))],
      { stdio: ["pipe", "pipe", "ignore"] }
    )
    const exited = once(starter, "exit")
    const [line] = (await once(createInterface(starter.stdout), "line")) as [string]
    const server = JSON.parse(line) as PostgresServer
    expect(await query(server.url, "SELECT 1 AS one")).toEqual([{ one: 1 }])
    expect(existsSync(server.directory)).toBe(true)

    if (ending === "stop" || ending === "throw") starter.stdin.end(ending)
    else starter.kill(ending)
    await exited

    await vi.waitFor(
      () => {
        expect(isRunning(server.pid)).toBe(false)
        expect(existsSync(server.directory)).toBe(false)
      },
      { timeout: 20_000, interval: 50 }
    )
  }
)
