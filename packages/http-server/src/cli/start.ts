/** What a process that serves is made of: the engine, its keys and policies, logs and traces. */
import {
  BoxOffice,
  type BoxOfficeStore,
  layerSweeper,
  Policies,
  QueueTokens,
  type SigningKeysInvalid,
  type StoreUnavailable
} from "@boxoffice/core"
import { type DatabaseInvalid, type Migrator, SqlStore } from "@boxoffice/sql-store"
import { ConfigProvider, Effect, Layer, Logger, Redacted, References } from "effect"
import { FetchHttpClient, HttpServer } from "effect/http"
import type { ServeError } from "effect/http/HttpServerError"
import { OtlpSerialization, OtlpTracer } from "effect/observability"
import type { SqlError } from "effect/sql/SqlError"
import type { RequestRecord } from "../http/requestContext.ts"
import { layerServer } from "../server/server.ts"
import { Webhooks } from "../webhooks/webhooks.ts"
import type { ServerConfig } from "./config.ts"

/** The engine that a config describes. */
type Office = Layer.Success<typeof BoxOffice.layer>

/** What a process does beside serving. */
export interface StartHooks<R> {
  /** Before anybody is let in. */
  readonly prepare: Effect.Effect<void, unknown, R>
  /** Once it listens. */
  readonly announce: (url: string) => Effect.Effect<void>
}

/** Serves until interrupted; then ends in good order. */
export const start = <E>(
  config: ServerConfig,
  store: Layer.Layer<BoxOfficeStore, E>,
  hooks: StartHooks<Office>
): Effect.Effect<never, E | ServeError | SigningKeysInvalid | unknown> => {
  const server = layerServer({ ...config, onRequest: requestLog(config) })
  const announced = Layer.effectDiscard(
    Effect.flatMap(HttpServer.HttpServer, ({ address }) =>
      hooks.announce(urlOf(config.host, "port" in address ? address.port : config.port))
    )
  )
  return Layer.launch(
    announced.pipe(
      Layer.provide(server),
      Layer.provide(Layer.effectDiscard(hooks.prepare)),
      Layer.provide(layerSweeper(`${config.sweepSeconds} seconds`)),
      Layer.provide(config.webhooks.length > 0 ? Webhooks.layer(config.webhooks) : Layer.empty),
      Layer.provide(layerOffice(config)),
      Layer.provide(store),
      Layer.provide(layerObservability(config))
    )
  )
}

type Store = Layer.Layer<
  BoxOfficeStore,
  | Migrator.SchemaMismatch
  | Migrator.MigrationBlocked
  | Migrator.EncodingUnsupported
  | DatabaseInvalid
  | StoreUnavailable
  | SqlError
>

/** The store on the database of the config. */
export const storeOf = (config: ServerConfig): Store =>
  SqlStore.layerUrl({ url: Redacted.value(config.databaseUrl!), ...storeOptions(config) })

/** A Postgres in this process, which keeps its data in a directory or, without one, nowhere. */
export const embeddedStore = (
  config: ServerConfig,
  dataDir: string | undefined
): Effect.Effect<Store> =>
  Effect.gen(function* () {
    // Only here is PGlite loaded: it takes its time.
    const { layerPglite } = yield* Effect.promise(() => import("@boxoffice/sql-store/pglite"))
    return SqlStore.layer(storeOptions(config)).pipe(Layer.provide(layerPglite({ dataDir })))
  })

const storeOptions = (config: ServerConfig) => ({
  schema: config.schema,
  migrate: config.migrate,
  maxConnections: config.connections,
  preparedStatements: config.preparedStatements,
  waits: config.waits
})

const layerOffice = (config: ServerConfig) =>
  BoxOffice.layer.pipe(
    Layer.provide([
      QueueTokens.layer(config.signingKeys),
      Layer.succeed(Policies, config.policies)
    ]),
    Layer.provideMerge(Layer.effectContext(Effect.context<BoxOfficeStore>()))
  )

const levels = { debug: "Debug", info: "Info", warn: "Warn", error: "Error" } as const

// An endpoint is enough to ask for traces by.
const tracing = ConfigProvider.fromEnvRecord({
  OTEL_TRACES_EXPORTER: "otlp",
  OTEL_SERVICE_NAME: "boxoffice"
})

const layerObservability = (config: ServerConfig) => {
  const traces = config.exportsTraces
    ? OtlpTracer.layerFromConfig().pipe(
        Layer.provide([FetchHttpClient.layer, OtlpSerialization.layerJson]),
        Layer.provide(ConfigProvider.layerAdd(tracing))
      )
    : // Nobody looks at the spans, so none are made.
      Layer.succeed(References.TracerEnabled, false)
  return Layer.mergeAll(
    traces,
    Logger.layer([Logger.withConsoleError(Logger.formatJson)]),
    Layer.succeed(References.MinimumLogLevel, levels[config.logLevel])
  )
}

/** A line of JSON for each request, on stdout; written together with others of the same turn. */
const requestLog = (config: ServerConfig): ((record: RequestRecord) => void) | undefined => {
  if (config.logLevel === "warn" || config.logLevel === "error") return undefined
  let lines = ""
  return (record) => {
    if (lines === "") {
      setImmediate(() => {
        process.stdout.write(lines)
        lines = ""
      })
    }
    lines += `${JSON.stringify(record)}\n`
  }
}

const urlOf = (host: string, port: number): string => {
  const reachable = host === "0.0.0.0" || host === "::" ? "127.0.0.1" : host
  return `http://${reachable.includes(":") ? `[${reachable}]` : reachable}:${port}`
}
