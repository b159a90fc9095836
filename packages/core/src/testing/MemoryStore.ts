/**
 * The store in memory, for tests: the same statements, locks and rules as on Postgres, on Effect's
 * clock, which `TestClock` moves. It never fails by itself, and persists nothing. It holds all rows for
 * as long as its layer lives.
 */
import { Clock, Effect, Layer } from "effect"
import { BoxOfficeStore } from "../BoxOfficeStore.ts"
import { Database } from "./database/Database.ts"
import type { Server } from "./memory/connection.ts"
import { makeSchema } from "./memory/schema.ts"
import { makeStore } from "./memory/store.ts"

/** A new, empty store in memory. */
export const layerMemory: Layer.Layer<BoxOfficeStore> = Layer.effect(
  BoxOfficeStore,
  Effect.map(Clock.Clock, (clock) => {
    let commits = 0
    const server: Server = {
      database: new Database({ now: () => server.clock.currentTimeMillisUnsafe() }),
      isRunning: () => true,
      // Every second commit lets others go first, so that later batches commit before it, as they can
      // in Postgres.
      pause: (point) =>
        point === "before COMMIT is written" && commits++ % 2 === 0 ? Effect.yieldNow : undefined,
      clock
    }
    return makeStore({
      server,
      schema: makeSchema(server.database),
      link: undefined,
      uuid: () => crypto.randomUUID(),
      backsOff: false
    })
  })
)
