import { BoxOfficeStore } from "@boxoffice/core"
import { conformanceTests } from "@boxoffice/core/testing"
import { PgClient } from "@effect/sql-pg"
import { Effect, Layer, ManagedRuntime, Redacted } from "effect"
import { afterAll, beforeAll, describe, test } from "vitest"
import { createTestDatabase } from "../../../test-support/database.ts"
import { SqlStore } from "../src/index.ts"
import { layerPglite } from "../src/pglite.ts"
import { passTime } from "./support.ts"

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
