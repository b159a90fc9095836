import { PgClient } from "@effect/sql-pg"
import { Effect, Redacted } from "effect"
import { expect, test } from "vitest"
import { Migrator, ScratchSchema } from "../src/index.ts"
import { emptyDatabase, openSql } from "./support.ts"

const on = <A, E>(url: string, effect: Effect.Effect<A, E, PgClient.PgClient>) =>
  Effect.runPromise(
    Effect.provide(effect, PgClient.layer({ url: Redacted.make(url), maxConnections: 1 }))
  )

test("it empties and removes a schema that it created; it leaves others alone", async () => {
  const url = await emptyDatabase()
  const sql = openSql(url)
  await on(url, ScratchSchema.open("play"))
  await sql("CREATE TABLE play.toy ()")
  await on(url, ScratchSchema.open("play"))
  expect(await sql("SELECT to_regclass('play.toy') AS toy")).toEqual([{ toy: null }])
  await on(url, ScratchSchema.close("play"))
  expect(await sql("SELECT to_regnamespace('play') AS schema")).toEqual([{ schema: null }])

  // The real one, and one that is merely empty.
  await on(url, Migrator.migrate())
  await sql("CREATE SCHEMA hosts")
  for (const schema of ["boxoffice", "hosts", "public"]) {
    const refused = { _tag: "NotScratchSchema", message: expect.stringContaining(schema) }
    await expect(on(url, ScratchSchema.open(schema))).rejects.toMatchObject(refused)
    await expect(on(url, ScratchSchema.close(schema))).rejects.toMatchObject(refused)
  }
  await on(url, Migrator.verify())
})
