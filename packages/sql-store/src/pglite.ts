/**
 * Postgres in process, with nothing to install: PGlite behind the same driver as a server.
 *
 * @module
 */

import type { BoxOfficeStore, StoreUnavailable } from "@boxoffice/core"
import { PgClient } from "@effect/sql-pg"
import { PGlite } from "@electric-sql/pglite"
import { Effect, Layer } from "effect"
import type { SqlClient } from "effect/sql"
import { ConnectionError, SqlError } from "effect/sql/SqlError"
import type { EncodingUnsupported, MigrationBlocked, SchemaMismatch } from "./Migrator.ts"
import { takeDirectory } from "./pglite/directory.ts"
import { makeStreams } from "./pglite/stream.ts"
import * as SqlStore from "./SqlStore.ts"

export interface PgliteOptions {
  /** The directory of the data; in memory if left out. */
  readonly dataDir?: string | undefined
}

/**
 * A client over a PGlite of its own, which ends with the layer. Provide it to `SqlStore.layer`.
 *
 * There is one backend. Connections take turns, each for a statement or a whole transaction. So
 * nothing runs in parallel, and a transaction must not wait for another connection.
 */
export const layerPglite = ({
  dataDir
}: PgliteOptions = {}): Layer.Layer<PgClient.PgClient | SqlClient.SqlClient, SqlError> =>
  PgClient.layerFrom(
    Effect.gen(function* () {
      const directory = directoryOf(dataDir)
      if (directory !== undefined) {
        yield* Effect.acquireRelease(
          Effect.try({ try: () => takeDirectory(directory), catch: notStarted }),
          (letGo) => Effect.sync(letGo)
        )
      }
      const db = yield* Effect.acquireRelease(open(dataDir), (db) =>
        Effect.promise(() => db.close())
      )
      return yield* PgClient.make({
        stream: makeStreams(db),
        // A URL or PG* variables in the environment must not lead to another database.
        username: "postgres",
        database: "postgres",
        maxConnections: 2
      })
    })
  )

/** The store over a PGlite of its own, which it migrates: there is nothing to set up. */
export const layerPgliteStore = ({
  dataDir,
  ...options
}: PgliteOptions & SqlStore.SqlStoreOptions = {}): Layer.Layer<
  BoxOfficeStore,
  SchemaMismatch | MigrationBlocked | EncodingUnsupported | StoreUnavailable | SqlError
> => SqlStore.layer({ migrate: true, ...options }).pipe(Layer.provide(layerPglite({ dataDir })))

const open = (dataDir: string | undefined) =>
  Effect.tryPromise({
    try: () => PGlite.create(dataDir === undefined ? {} : { dataDir }),
    catch: notStarted
  })

const notStarted = (cause: unknown) => {
  const why = cause instanceof Error ? `: ${cause.message}` : ""
  return new SqlError({
    reason: new ConnectionError({ cause, message: `PGlite did not start${why}`, operation: "open" })
  })
}

/**
 * The directory on disk, if there is one. PGlite has other storage, too, named such as `memory://`.
 */
const directoryOf = (dataDir: string | undefined): string | undefined => {
  const directory = dataDir?.replace(/^file:\/\//, "")
  return directory === undefined || /^\w+:\/\//.test(directory) ? undefined : directory
}
