import { BoxOfficeStore } from "@boxoffice/core"
import { conformanceTests } from "@boxoffice/core/testing"
import { PgClient } from "@effect/sql-pg"
import { Effect, Layer, ManagedRuntime, Redacted } from "effect"
import { afterAll, beforeAll, describe, test } from "vitest"
import { createTestDatabase } from "../../../test-support/database.ts"
import { SqlStore } from "../src/index.ts"
import { layerPglite } from "../src/pglite.ts"

/** Moves every instant there is into the past: the clock is the database's own. */
const passTime = (milliseconds: number) => `
  DO $$
  DECLARE tables record;
  BEGIN
    -- Not even the ledger's trigger objects.
    SET LOCAL session_replication_role = replica;
    FOR tables IN
      SELECT format('UPDATE %I.%I SET %s', table_schema, table_name, string_agg(
        format('%1$I = %1$I - interval ''${milliseconds} milliseconds''', column_name), ', '
      )) AS update
      FROM information_schema.columns JOIN information_schema.tables
        USING (table_schema, table_name)
      WHERE table_schema = 'boxoffice' AND table_type = 'BASE TABLE'
        AND data_type = 'timestamp with time zone'
      GROUP BY table_schema, table_name
    LOOP
      EXECUTE tables.update;
    END LOOP;
  END $$`

const conforms = (name: string, open: () => Promise<Layer.Layer<PgClient.PgClient, unknown>>) =>
  describe(`conformance: ${name}`, () => {
    let runtime: ManagedRuntime.ManagedRuntime<BoxOfficeStore | PgClient.PgClient, unknown>
    beforeAll(async () => {
      const client = await open()
      runtime = ManagedRuntime.make(Layer.provideMerge(SqlStore.layer({ migrate: true }), client))
      await runtime.runPromise(BoxOfficeStore)
    })
    afterAll(() => runtime.dispose())

    for (const conformanceTest of conformanceTests) {
      test(conformanceTest.name, () =>
        runtime.runPromise(
          Effect.gen(function* () {
            const store = yield* BoxOfficeStore
            const sql = yield* PgClient.PgClient
            yield* conformanceTest.run({ store, passTime: (ms) => sql.unsafe(passTime(ms)) })
          })
        )
      )
    }
  })

conforms("PGlite", async () => layerPglite())

describe("on a server", () => {
  let drop = async () => {}
  afterAll(() => drop())
  conforms("Postgres", async () => {
    const database = await createTestDatabase()
    drop = database.drop
    return PgClient.layer({ url: Redacted.make(database.url) })
  })
})
