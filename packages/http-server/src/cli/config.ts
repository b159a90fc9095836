/** Reads the configuration of a server from environment variables. */
import {
  defaultPolicies,
  PolicySettings as Policies,
  type PolicySettings,
  QueueTokens,
  type SigningKey
} from "@boxoffice/core"
import { toRequestInvalid } from "@boxoffice/core/store"
import { type SqlStore, urlProblem } from "@boxoffice/sql-store"
import { Config, Effect, Layer, Option, Redacted, Schema } from "effect"
import type { IdentityOptions } from "../http/identity.ts"
import { problemOfKeysUrl } from "../http/publishedKeys.ts"
import { readEndpoints } from "../webhooks/config.ts"
import type { WebhookEndpoint } from "../webhooks/endpoint.ts"
import { retentionOf } from "./retention.ts"
import { demoSecret, faultOf, weaknessOf } from "./secrets.ts"
import { unknownVariables } from "./unknownVariables.ts"

/** The environment is incomplete or contradictory. Each problem says what to set. */
export class ConfigInvalid extends Schema.TaggedError<ConfigInvalid>()("ConfigInvalid", {
  problems: Schema.Array(Schema.String)
}) {
  override get message() {
    return `The server cannot start:\n${this.problems.map((line) => `  - ${line}`).join("\n")}`
  }
}

export interface ServerConfig {
  /** What the server prints at start, and goes on: variables that it does not know, or by a former name. */
  readonly warnings: ReadonlyArray<string>
  readonly databaseUrl: Redacted.Redacted | undefined
  readonly schema: string | undefined
  readonly migrate: boolean
  readonly connections: number | undefined
  readonly preparedStatements: boolean
  readonly waits: Partial<SqlStore.Waits>
  readonly port: number
  readonly host: string
  readonly drainSeconds: number
  readonly maxConnections: number
  readonly writeTimeoutSeconds: number
  readonly streamsPerUser: number
  readonly identity: IdentityOptions
  readonly adminToken: Redacted.Redacted | undefined
  readonly charges: "user" | "operator"
  readonly serviceToken: Redacted.Redacted | undefined
  readonly signingKeys: ReadonlyArray<SigningKey>
  readonly documentation: string | undefined
  readonly policies: PolicySettings
  readonly sweepSeconds: number
  readonly webhooks: ReadonlyArray<WebhookEndpoint>
  readonly logLevel: "debug" | "info" | "warn" | "error"
  readonly exportsTraces: boolean
}

/** The variables and their meanings, for `--help` and the documentation. */
export const variables: ReadonlyArray<readonly [name: string, means: string]> = [
  ["DATABASE_URL", "Postgres 15 or newer: postgres://user:password@host:5432/name"],
  ["BOXOFFICE_SCHEMA", "the schema of the tables; default boxoffice"],
  ["BOXOFFICE_MIGRATE", "true to migrate the schema at start; default false"],
  ["BOXOFFICE_CONNECTIONS", "maximum connections to the database; default 10"],
  [
    "BOXOFFICE_PREPARED_STATEMENTS",
    "on or off; default on; off behind PgBouncer before 1.21 in transaction mode"
  ],
  ["BOXOFFICE_LOCK_TIMEOUT_MS", "how long a batch waits for a locked row; default 1500"],
  ["BOXOFFICE_STATEMENT_TIMEOUT_MS", "how long a statement may take; default 15000"],
  [
    "BOXOFFICE_IDLE_IN_TRANSACTION_MS",
    "when Postgres frees the locks of a silent node; default 15000"
  ],
  ["BOXOFFICE_ANSWER_WITHIN_MS", "how long to wait for a response of the database; default 20000"],
  ["BOXOFFICE_CONNECT_WITHIN_MS", "how long to wait for a new connection; default 5000"],
  ["BOXOFFICE_CLOSE_WITHIN_MS", "how long closing the pool may delay shutdown; default 10000"],
  ["PORT, HOST", "the port and address to listen on; default 3000 on 0.0.0.0"],
  [
    "BOXOFFICE_IDENTITY",
    "header (a gateway sets X-User-Id) or jwt; default header, except in production"
  ],
  ["BOXOFFICE_JWT_SECRET", "with jwt: the shared secret (HS256), 32 bytes or more"],
  ["BOXOFFICE_JWKS_URL", "with jwt: the https URL of the issuer's keys"],
  ["BOXOFFICE_JWT_ISSUER, BOXOFFICE_JWT_AUDIENCE", "with jwt: the required iss and aud"],
  ["BOXOFFICE_SIGNING_KEYS", "signing keys of queue tokens, id:secret,id:secret; the first signs"],
  ["BOXOFFICE_ADMIN_TOKEN", "the bearer token of operators; without it, no admin routes"],
  ["BOXOFFICE_CHARGES", "which callers may charge wallets: user (their own) or operator"],
  ["BOXOFFICE_SERVICE_TOKEN", "with operator: the token that your payment service sends"],
  ["BOXOFFICE_HOLD_SECONDS", "how long a hold lasts; default 300"],
  ["BOXOFFICE_SEATS_PER_RESERVATION, BOXOFFICE_SEATS_PER_USER", "limits; default 10 and 20"],
  [
    "BOXOFFICE_WALLET_CEILING, BOXOFFICE_CURRENCY",
    "maximum balance and currency of wallets; default 2^53-1 and KRW"
  ],
  [
    "BOXOFFICE_GATE",
    "operations that need a queue token, comma-separated, or none; default all six"
  ],
  [
    "BOXOFFICE_PAYMENT_COMPLETES_TOKEN",
    "whether a payment completes the queue token; default true"
  ],
  [
    "BOXOFFICE_QUEUE_MAX_ACTIVE, BOXOFFICE_QUEUE_ADMIT_PER_MINUTE",
    "limits of a new queue; default 5000 and 60000"
  ],
  [
    "BOXOFFICE_QUEUE_CLAIM_SECONDS, BOXOFFICE_QUEUE_SESSION_SECONDS",
    "claim window and session of a new queue; default 120 and 600"
  ],
  [
    "BOXOFFICE_QUEUE_PRIORITY_SHARE_PERCENT",
    "share of the priority lane in a new queue; default 50"
  ],
  [
    "BOXOFFICE_QUEUE_ABSENCE_SECONDS",
    "how long waiting users may be absent; default 300, and 0 is unlimited"
  ],
  ["BOXOFFICE_QUEUE_MAX_AGE_MS", "maximum age of a node's snapshot of a queue; default 900"],
  [
    "BOXOFFICE_STALE_IF_STORE_DOWN_MS",
    "how long polls are served from memory without the database; default 60000"
  ],
  ["BOXOFFICE_ENDED_TOKEN_SECONDS", "how long ended queue tokens are kept; default 86400"],
  [
    "BOXOFFICE_IDEMPOTENCY_KEY_SECONDS",
    "how long idempotency keys are kept; default 2592000, 30 days"
  ],
  [
    "BOXOFFICE_ENDED_RESERVATION_SECONDS",
    "how long ended, unpaid reservations are kept; default 2592000"
  ],
  [
    "BOXOFFICE_EVENT_SECONDS",
    "how long events are kept that all consumers passed; default 2592000"
  ],
  ["BOXOFFICE_DEAD_LETTER_SECONDS", "how long dead letters of webhooks are kept; default 7776000"],
  ["BOXOFFICE_SWEEP_SECONDS", "the interval of the sweeper; default 1"],
  [
    "BOXOFFICE_WEBHOOKS, BOXOFFICE_WEBHOOKS_FILE",
    "webhook endpoints, as JSON or the path of a JSON file"
  ],
  ["BOXOFFICE_DRAIN_SECONDS", "how long requests in flight may take at shutdown; default 10"],
  ["BOXOFFICE_MAX_CONNECTIONS", "maximum connections of clients; default 10000"],
  [
    "BOXOFFICE_WRITE_TIMEOUT_SECONDS",
    "how long a client may read nothing of a response; default 30"
  ],
  ["BOXOFFICE_STREAMS_PER_USER", "maximum event streams of one user; default 10"],
  ["BOXOFFICE_ERROR_DOCS", "the start of the type of an error; default /docs/errors/"],
  ["BOXOFFICE_LOG_LEVEL", "debug, info, warn or error; default info"],
  ["OTEL_EXPORTER_OTLP_ENDPOINT", "the endpoint for traces; other OTEL_ variables apply too"]
]

/** Former names of variables: the error for an operator who still sets one gives the new name. */
const renamed: ReadonlyArray<readonly [before: string, now: string]> = [
  ["BOXOFFICE_QUEUE_FRESH_MS", "BOXOFFICE_QUEUE_MAX_AGE_MS"],
  ["BOXOFFICE_AWAY_MS", "BOXOFFICE_STALE_IF_STORE_DOWN_MS"]
]

/** A former name that is still read, with a warning: without the keys no client could go on. */
const formerKeys = "BOXOFFICE_TICKET_KEYS"

const settings = variables.flatMap(([name]) => name.split(", "))
const names = [
  "NODE_ENV",
  "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
  formerKeys,
  ...renamed.map(([before]) => before),
  ...settings
]

/** All variables with a non-empty value. */
const readEnvironment: Effect.Effect<Map<string, string>, Config.ConfigError> = Effect.gen(
  function* () {
    const found = new Map<string, string>()
    for (const name of names) {
      const value = yield* Config.option(Config.String(name))
      // An editor or a mounted file often leaves a newline at the end.
      const text = Option.getOrElse(value, () => "").trim()
      if (text !== "") found.set(name, text)
    }
    return found
  }
)

const decodePolicies = Schema.decodeUnknownResult(Schema.toType(Policies), { errors: "all" })

const demoKey = `demo:${demoSecret}`

/** How to create a secret, for the message about a weak or missing one. */
const howTo = "To create one, run: openssl rand -hex 32"
/** The same for a signing key, which begins with an id. */
const howToKey = 'To create one, run: echo "k1:$(openssl rand -hex 32)"'
/** The minimum length of a secret, in bytes. */
interface Bytes {
  readonly atLeast: number
  readonly inProduction: number
}
const tokenBytes: Bytes = { atLeast: 8, inProduction: 16 }
const keyBytes: Bytes = { atLeast: 32, inProduction: 32 }

/** The config of a server, or of the demo, which has a default for each setting. */
export const serverConfig = (kind: {
  readonly demo: boolean
}): Effect.Effect<ServerConfig, ConfigInvalid | Config.ConfigError> =>
  Effect.gen(function* () {
    const environment = yield* readEnvironment
    const problems: Array<string> = []
    const text = (name: string) => environment.get(name)
    const secret = (name: string) => {
      const value = text(name)
      return value === undefined ? undefined : Redacted.make(value)
    }
    const isProduction = text("NODE_ENV") === "production"
    /** The setting of each secret: two settings must not share one. */
    const owners = new Map<string, string>()
    /**
     * Refuses a published or short secret; in production also one that can be guessed. The demo
     * accepts any secret, since it protects nothing.
     */
    const checkSecret = (name: string, value: string, bytes: Bytes, remedy = howTo): void => {
      const find = () =>
        isProduction ? weaknessOf(value, bytes.inProduction) : faultOf(value, bytes.atLeast)
      const weakness = kind.demo ? undefined : find()
      if (weakness !== undefined) problems.push(`${name} ${weakness} ${remedy}`)
      const owner = owners.get(value)
      if (owner !== undefined) {
        problems.push(
          `${name} must differ from ${owner}: a holder of one would get the rights of the other. ${remedy}`
        )
      }
      owners.set(value, name)
    }
    /** A secret that a client sends in a header. */
    const secretToken = (name: string): Redacted.Redacted | undefined => {
      const value = text(name)
      if (value === undefined) return undefined
      if (!/^[\x20-\x7e]+$/.test(value)) {
        problems.push(`${name} must be visible ASCII characters, since it is sent in a header.`)
      }
      checkSecret(name, value, tokenBytes)
      return Redacted.make(value)
    }
    const whole = (name: string, from: number, to: number): number | undefined => {
      const value = text(name)
      if (value === undefined) return undefined
      const number = Number(value)
      if (Number.isInteger(number) && number >= from && number <= to) return number
      problems.push(`${name} must be a whole number from ${from} to ${to}.`)
      return undefined
    }
    for (const [before, now] of renamed) {
      if (text(before) !== undefined) problems.push(`${before} is called ${now} now.`)
    }
    const truth = (name: string): boolean | undefined => {
      const value = text(name)
      if (value === undefined || value === "true" || value === "false")
        return value && value === "true"
      problems.push(`${name} must be true or false.`)
      return undefined
    }
    const oneOf = <const A extends string>(name: string, options: ReadonlyArray<A>) => {
      const value = text(name)
      const found = options.find((option) => option === value)
      if (value !== undefined && found === undefined) {
        problems.push(`${name} must be one of ${options.join(", ")}.`)
      }
      return found
    }

    const identityOf = (): IdentityOptions => {
      const mode = oneOf("BOXOFFICE_IDENTITY", ["header", "jwt"])
      if (mode === undefined && isProduction) {
        problems.push(
          "BOXOFFICE_IDENTITY must be set in production: to jwt, or to header if a gateway in " +
            "front of the server sets X-User-Id and removes it from the requests of clients."
        )
      }
      if (mode !== "jwt") return { mode: "header" }
      const shared = text("BOXOFFICE_JWT_SECRET")
      const url = text("BOXOFFICE_JWKS_URL")
      const limits = {
        issuer: text("BOXOFFICE_JWT_ISSUER"),
        audience: text("BOXOFFICE_JWT_AUDIENCE")
      }
      if ((shared === undefined) === (url === undefined)) {
        problems.push(
          "BOXOFFICE_IDENTITY=jwt needs either BOXOFFICE_JWT_SECRET or BOXOFFICE_JWKS_URL."
        )
      } else if (url !== undefined) {
        const jwksUrl = URL.parse(url)
        const problem = jwksUrl
          ? problemOfKeysUrl(jwksUrl)
          : "must be a URL, such as https://issuer/jwks.json."
        if (jwksUrl && problem === undefined) return { mode: "jwt", keys: { jwksUrl }, ...limits }
        problems.push(`BOXOFFICE_JWKS_URL ${problem}`)
      } else if (Buffer.byteLength(shared!) < keyBytes.atLeast && kind.demo) {
        problems.push(`BOXOFFICE_JWT_SECRET must have ${keyBytes.atLeast} bytes or more.`)
      } else {
        checkSecret("BOXOFFICE_JWT_SECRET", shared!, keyBytes)
      }
      return { mode: "jwt", keys: { secret: Redacted.make(shared ?? "") }, ...limits }
    }

    const chargesOf = (): "user" | "operator" => {
      const charges = oneOf("BOXOFFICE_CHARGES", ["user", "operator"])
      if (charges === undefined && text("BOXOFFICE_CHARGES") === undefined && !kind.demo) {
        problems.push(
          "BOXOFFICE_CHARGES must be set, since the server collects no payment for charges: to operator, " +
            "so that only callers with the admin token or BOXOFFICE_SERVICE_TOKEN can charge wallets; " +
            "or to user, so that each user who passes the gate can add money to their own wallet, if " +
            "your payment step is in front of the route."
        )
      }
      if (charges === "operator" && serviceToken === undefined && adminToken === undefined) {
        problems.push(
          "BOXOFFICE_CHARGES=operator needs BOXOFFICE_SERVICE_TOKEN, or BOXOFFICE_ADMIN_TOKEN: " +
            "without one, no caller could charge a wallet."
        )
      }
      return charges ?? "user"
    }

    const signingKeysOf = Effect.gen(function* () {
      const given =
        text("BOXOFFICE_SIGNING_KEYS") ?? text(formerKeys) ?? (kind.demo ? demoKey : undefined)
      if (given === undefined) {
        problems.push(
          "BOXOFFICE_SIGNING_KEYS must be set: the keys that sign queue tokens, as " +
            `id:secret,id:secret; each secret has 32 bytes or more. ${howToKey}`
        )
        return []
      }
      const entries = given.split(",")
      const keys = entries.map((pair): SigningKey => {
        const [id = "", ...rest] = pair.split(":")
        return { id: id.trim(), secret: Redacted.make(rest.join(":").trim()) }
      })
      const form = `Expected id:secret,id:secret, without commas in a secret. ${howToKey}`
      // An entry is named by its number: without a colon at the right place, its id is a secret.
      const nameOf = (index: number) => `BOXOFFICE_SIGNING_KEYS: entry ${index + 1}`
      const problemsBefore = problems.length
      keys.forEach(({ id, secret }, index) => {
        const value = Redacted.value(secret)
        if (id === "" || value === "") {
          // Without a colon, the text before it is the whole secret.
          const missing = id !== "" && entries[index]!.includes(":") ? "secret" : "id"
          problems.push(`${nameOf(index)} has no ${missing}. ${form}`)
        } else if (Buffer.byteLength(value) < keyBytes.atLeast) {
          problems.push(`${nameOf(index)} must have ${keyBytes.atLeast} bytes or more. ${form}`)
        } else checkSecret(nameOf(index), value, keyBytes, howToKey)
      })
      if (problems.length > problemsBefore) return keys
      // Checked now, so that the problem is reported before the server connects and migrates.
      const made = yield* Effect.result(Effect.scoped(Layer.build(QueueTokens.layer(keys))))
      if (made._tag === "Failure") {
        problems.push(`BOXOFFICE_SIGNING_KEYS: ${made.failure.reason} ${form}`)
      }
      return keys
    })

    const policiesOf = (): PolicySettings => {
      const most = 2_147_483_647
      const { queue, ...rest } = defaultPolicies
      const { retention, problems: retentionProblems } = retentionOf(text)
      problems.push(...retentionProblems)
      const gate = text("BOXOFFICE_GATE")
      const ceiling = text("BOXOFFICE_WALLET_CEILING") ?? ""
      const isCeiling = /^\d{1,16}$/.test(ceiling) && Number.isSafeInteger(Number(ceiling))
      const limits = kind.demo ? { ...queue, maxActive: 100_000, admitPerMinute: 1_000_000 } : queue
      const decoded = decodePolicies({
        ...rest,
        holdSeconds: whole("BOXOFFICE_HOLD_SECONDS", 1, most) ?? rest.holdSeconds,
        gate: gate === "none" ? [] : (gate?.split(",").map((name) => name.trim()) ?? rest.gate),
        paymentCompletesToken:
          truth("BOXOFFICE_PAYMENT_COMPLETES_TOKEN") ?? rest.paymentCompletesToken,
        seatsPerReservation:
          whole("BOXOFFICE_SEATS_PER_RESERVATION", 1, 200) ?? rest.seatsPerReservation,
        seatsPerUser: whole("BOXOFFICE_SEATS_PER_USER", 1, most) ?? rest.seatsPerUser,
        walletCeiling: isCeiling ? BigInt(ceiling) : rest.walletCeiling,
        currency: text("BOXOFFICE_CURRENCY") ?? rest.currency,
        queueMaxAgeMs: whole("BOXOFFICE_QUEUE_MAX_AGE_MS", 0, 60_000) ?? rest.queueMaxAgeMs,
        staleIfStoreDownMs:
          whole("BOXOFFICE_STALE_IF_STORE_DOWN_MS", 0, 3_600_000) ?? rest.staleIfStoreDownMs,
        ...retention,
        queue: {
          ...limits,
          maxActive: whole("BOXOFFICE_QUEUE_MAX_ACTIVE", 1, most) ?? limits.maxActive,
          admitPerMinute:
            whole("BOXOFFICE_QUEUE_ADMIT_PER_MINUTE", 1, most) ?? limits.admitPerMinute,
          claimSeconds: whole("BOXOFFICE_QUEUE_CLAIM_SECONDS", 1, most) ?? limits.claimSeconds,
          sessionSeconds:
            whole("BOXOFFICE_QUEUE_SESSION_SECONDS", 1, most) ?? limits.sessionSeconds,
          prioritySharePercent:
            whole("BOXOFFICE_QUEUE_PRIORITY_SHARE_PERCENT", 1, 100) ?? limits.prioritySharePercent,
          absenceSeconds: whole("BOXOFFICE_QUEUE_ABSENCE_SECONDS", 0, most) ?? limits.absenceSeconds
        }
      })
      if (ceiling !== "" && !isCeiling) {
        problems.push(
          "BOXOFFICE_WALLET_CEILING must be a whole number of minor units, at most " +
            `${Number.MAX_SAFE_INTEGER}: JSON clients cannot represent more exactly.`
        )
      }
      if (decoded._tag === "Success") return decoded.success
      const wrong = toRequestInvalid(decoded.failure).errors.map(({ path }) => path)
      if (wrong.some((path) => path.startsWith("gate"))) {
        problems.push(
          "BOXOFFICE_GATE must be none, or a list of dates, seats, hold, charge, balance, pay."
        )
      }
      if (wrong.includes("currency")) {
        problems.push(
          "BOXOFFICE_CURRENCY must be a code of ISO 4217 in current use, such as KRW or EUR."
        )
      }
      return defaultPolicies
    }

    const waitsFrom = (): Partial<SqlStore.Waits> => {
      const most = 2_147_483_647
      const connectWithinMs = whole("BOXOFFICE_CONNECT_WITHIN_MS", 1, most)
      const waits = {
        lockTimeoutMs: whole("BOXOFFICE_LOCK_TIMEOUT_MS", 1, most) ?? 1_500,
        statementTimeoutMs: whole("BOXOFFICE_STATEMENT_TIMEOUT_MS", 1, most) ?? 15_000,
        idleInTransactionMs: whole("BOXOFFICE_IDLE_IN_TRANSACTION_MS", 1, most) ?? 15_000,
        answerWithinMs: whole("BOXOFFICE_ANSWER_WITHIN_MS", 1, most) ?? 20_000,
        closeWithinMs: whole("BOXOFFICE_CLOSE_WITHIN_MS", 1, most) ?? 10_000
      }
      for (const [name, limit] of [
        ["BOXOFFICE_STATEMENT_TIMEOUT_MS", waits.statementTimeoutMs],
        ["BOXOFFICE_ANSWER_WITHIN_MS", waits.answerWithinMs]
      ] as const) {
        if (waits.lockTimeoutMs >= limit) {
          problems.push(`BOXOFFICE_LOCK_TIMEOUT_MS must be below ${name}.`)
        }
      }
      return connectWithinMs === undefined ? waits : { ...waits, connectWithinMs }
    }

    const {
      endpoints: webhooks,
      problems: webhookProblems,
      secretVariables
    } = yield* readEndpoints({
      inline: text("BOXOFFICE_WEBHOOKS"),
      weaknessOf: isProduction ? weaknessOf : () => undefined,
      file: text("BOXOFFICE_WEBHOOKS_FILE"),
      variable: (name) =>
        Config.option(Config.String(name)).pipe(
          Effect.orDie,
          Effect.map((value) => Option.getOrUndefined(value)?.trim() || undefined)
        )
    })
    problems.push(...webhookProblems)
    const warnings = yield* Effect.orDie(unknownVariables([...names, ...secretVariables]))
    if (text(formerKeys) !== undefined) {
      warnings.push(`${formerKeys} is called BOXOFFICE_SIGNING_KEYS now: rename it.`)
    }
    const adminToken = secretToken("BOXOFFICE_ADMIN_TOKEN")
    const serviceToken = secretToken("BOXOFFICE_SERVICE_TOKEN")
    const charges = chargesOf()
    const databaseUrl = secret("DATABASE_URL")
    if (databaseUrl === undefined && !kind.demo) {
      problems.push("DATABASE_URL must be set, such as postgres://user:password@host:5432/name.")
    }
    const urlIsWrong = databaseUrl && urlProblem(Redacted.value(databaseUrl))
    if (urlIsWrong) problems.push(`DATABASE_URL cannot be read: ${urlIsWrong}`)
    const config: ServerConfig = {
      warnings,
      databaseUrl,
      schema: text("BOXOFFICE_SCHEMA"),
      migrate: truth("BOXOFFICE_MIGRATE") ?? kind.demo,
      connections: whole("BOXOFFICE_CONNECTIONS", 2, 1_000),
      preparedStatements: oneOf("BOXOFFICE_PREPARED_STATEMENTS", ["on", "off"]) !== "off",
      waits: waitsFrom(),
      port: whole("PORT", 0, 65_535) ?? 3_000,
      host: text("HOST") ?? (kind.demo ? "127.0.0.1" : "0.0.0.0"),
      drainSeconds: whole("BOXOFFICE_DRAIN_SECONDS", 0, 3_600) ?? 10,
      maxConnections: whole("BOXOFFICE_MAX_CONNECTIONS", 1, 1_000_000) ?? 10_000,
      writeTimeoutSeconds: whole("BOXOFFICE_WRITE_TIMEOUT_SECONDS", 1, 3_600) ?? 30,
      streamsPerUser: whole("BOXOFFICE_STREAMS_PER_USER", 0, 10_000) ?? 10,
      identity: identityOf(),
      adminToken,
      charges,
      serviceToken,
      signingKeys: yield* signingKeysOf,
      documentation: text("BOXOFFICE_ERROR_DOCS"),
      policies: policiesOf(),
      webhooks,
      sweepSeconds: whole("BOXOFFICE_SWEEP_SECONDS", 1, 3_600) ?? 1,
      logLevel:
        oneOf("BOXOFFICE_LOG_LEVEL", ["debug", "info", "warn", "error"]) ??
        (kind.demo ? "warn" : "info"),
      exportsTraces:
        text("OTEL_EXPORTER_OTLP_ENDPOINT") !== undefined ||
        text("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") !== undefined
    }
    if (problems.length > 0) return yield* new ConfigInvalid({ problems })
    return config
  })
