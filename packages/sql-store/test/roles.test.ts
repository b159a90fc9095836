import { randomUUID } from "node:crypto"
import { BoxOfficeStore } from "@boxoffice/core"
import { conformanceTests } from "@boxoffice/core/testing"
import { PgClient } from "@effect/sql-pg"
import { Context, Effect, ManagedRuntime, Redacted } from "effect"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { createTestDatabase } from "../../../test-support/database.ts"
import { Doctor, Migrator, SqlStore } from "../src/index.ts"
import { rights } from "../src/migrator/rights.ts"
import { passTime } from "./support.ts"

// Two roles: the owner migrates, the application's has what `appRole` grants, and no more.

// Roles belong to the whole server, which tests share.
const suffix = randomUUID().slice(0, 8)
const owner = `owner_${suffix}`
const app = `app_${suffix}`
const password = "not-a-secret"

let admin: ManagedRuntime.ManagedRuntime<PgClient.PgClient, unknown>
let urls: { owner: string; app: string }
let drop: () => Promise<void>

const clientOf = (url: string) =>
  PgClient.layer({ url: Redacted.make(url), maxConnections: 1, prepare: false })
const runAs = (url: string, statement: string) =>
  Effect.runPromise(
    Effect.flatMap(PgClient.PgClient, (sql) => sql.unsafe<Record<string, unknown>>(statement)).pipe(
      Effect.provide(clientOf(url))
    )
  )
const asAdmin = (statement: string) =>
  admin.runPromise(
    Effect.flatMap(PgClient.PgClient, (sql) => sql.unsafe<Record<string, unknown>>(statement))
  )
/** The SQLSTATE that a statement is refused with, as the application. */
const refusal = async (statement: string): Promise<unknown> => {
  try {
    await runAs(urls.app, statement)
    return "nothing refused it"
  } catch (error) {
    return (error as { reason: { cause: { code: string } } }).reason.cause.code
  }
}

beforeAll(async () => {
  const database = await createTestDatabase()
  admin = ManagedRuntime.make(clientOf(database.url))
  const as = (user: string) => {
    const url = new URL(database.url)
    url.username = user
    url.password = password
    return url.href
  }
  urls = { owner: as(owner), app: as(app) }
  const name = new URL(database.url).pathname.slice(1)
  await asAdmin(`CREATE ROLE ${owner} LOGIN PASSWORD '${password}'`)
  await asAdmin(`CREATE ROLE ${app} LOGIN PASSWORD '${password}'`)
  await asAdmin(`GRANT CREATE ON DATABASE ${name} TO ${owner}`)
  await asAdmin("CREATE SCHEMA host")
  await asAdmin("CREATE TABLE host.secret (id integer)")
  drop = async () => {
    await asAdmin(`DROP OWNED BY ${app}`)
    await asAdmin(`DROP OWNED BY ${owner} CASCADE`)
    await asAdmin(`DROP ROLE ${app}, ${owner}`)
    await admin.dispose()
    await database.drop()
  }
  await Effect.runPromise(
    Migrator.migrate({ appRole: app }).pipe(Effect.provide(clientOf(urls.owner)))
  )
})
afterAll(() => drop())

describe("the application's role", () => {
  let store: ManagedRuntime.ManagedRuntime<BoxOfficeStore, unknown>
  beforeAll(() => {
    store = ManagedRuntime.make(SqlStore.layerUrl({ url: urls.app }))
  })
  afterAll(() => store.dispose())

  // The administrator moves the clock: only a superuser may change the ledger's instants.
  test.each(conformanceTests.map((one) => [one.name, one] as const))("%s", async (_, one) => {
    await store.runPromise(
      Effect.gen(function* () {
        const services = yield* Effect.context<BoxOfficeStore>()
        yield* one.run({
          store: Context.get(services, BoxOfficeStore),
          passTime: (ms) => Effect.promise(() => asAdmin(passTime(ms)))
        })
      })
    )
  })

  const noRight = "42501"
  test.each([
    // The structure, and the guards in it.
    "CREATE TABLE boxoffice.mine ()",
    "CREATE TABLE public.mine ()",
    "CREATE SCHEMA mine",
    "DROP TABLE boxoffice.outbox",
    "ALTER TABLE boxoffice.wallet DROP CONSTRAINT wallet_not_negative",
    "ALTER TABLE boxoffice.transfer DISABLE TRIGGER transfer_is_append_only",
    "CREATE INDEX ON boxoffice.seat (price)",
    "SET session_replication_role = replica",
    // Rows that never change once written.
    "UPDATE boxoffice.transfer SET amount = 1",
    "DELETE FROM boxoffice.transfer",
    "UPDATE boxoffice.command_outcome SET outcome = ''",
    "UPDATE boxoffice.outbox SET events = NULL",
    "INSERT INTO boxoffice.migration (version, name) VALUES (99, 'mine')",
    "DELETE FROM boxoffice.migration",
    // Rows that no statement of the engine removes.
    "DELETE FROM boxoffice.seat",
    "DELETE FROM boxoffice.wallet",
    "TRUNCATE boxoffice.transfer CASCADE",
    "TRUNCATE boxoffice.outbox",
    // A table of the host.
    "SELECT * FROM host.secret"
  ])("is refused: %s", async (statement) => {
    expect(await refusal(statement)).toBe(noRight)
  })

  test("every table and view has its rights written down", async () => {
    const tables = await asAdmin(`
      SELECT relname AS name FROM pg_class WHERE relnamespace = 'boxoffice'::regnamespace
        AND relkind IN ('r', 'p', 'v', 'm') ORDER BY relname COLLATE "C"`)
    // A new one needs a line in src/migrator/rights.ts.
    expect(Object.keys(rights).sort()).toEqual(tables.map(({ name }) => name))
  })

  const examine = (url: string, appRole?: string) =>
    Effect.runPromise(Effect.provide(Doctor.examine({ appRole }), clientOf(url)))

  test("the doctor reports rights that are right, missing and too many", async () => {
    expect(await examine(urls.owner, app)).toMatchObject({ healthy: true, findings: [] })
    await asAdmin(`REVOKE UPDATE ON boxoffice.seat FROM ${app}`)
    await asAdmin(`GRANT DELETE, TRUNCATE ON boxoffice.show TO ${app}`)
    const { healthy, findings } = await examine(urls.owner, app)
    expect(healthy).toBe(false)
    expect(findings).toMatchObject([
      {
        level: "problem",
        code: "role_lacks_rights",
        message: expect.stringMatching(/UPDATE on seat/)
      },
      {
        level: "warning",
        code: "role_beyond_need",
        message: expect.stringMatching(/DELETE, TRUNCATE on show/)
      }
    ])
    // The statement that it gives repairs both.
    for (const statement of findings[0]!.sql!.split(";").filter((text) => text.trim() !== "")) {
      await runAs(urls.owner, statement)
    }
    expect(await examine(urls.owner, app)).toMatchObject({ healthy: true, findings: [] })
  })

  test("the doctor reports a role with too many rights, a missing role, and checks that it could not make", async () => {
    expect(await examine(urls.owner)).toMatchObject({
      healthy: true,
      findings: [{ code: "role_too_mighty", message: expect.stringContaining("owns the schema") }]
    })
    expect(await examine(urls.owner, "nobody_there")).toMatchObject({
      healthy: false,
      findings: [{ code: "role_missing" }]
    })
    expect(await examine(urls.app)).toMatchObject({
      healthy: true,
      findings: [{ level: "warning", code: "schema_not_compared" }]
    })
  })
})
