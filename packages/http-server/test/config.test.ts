import { createHash } from "node:crypto"
import { once } from "node:events"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { createServer } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { text } from "node:stream/consumers"
import { newWebhookSecret } from "@boxoffice/core"
import { ConfigProvider, Effect, Redacted } from "effect"
import { describe, expect, test } from "vitest"
import { createTestDatabase } from "../../../test-support/database.ts"
import { serverConfig } from "../src/cli/config.ts"
import { freePort, run } from "./command.ts"
import { talkTo } from "./support.ts"

const read = (env: Record<string, string>, demo = false) =>
  serverConfig({ demo }).pipe(
    Effect.provide(ConfigProvider.layer(ConfigProvider.fromUnknown(env))),
    Effect.result,
    Effect.runPromise
  )

/** Like the output of `openssl rand -hex 32`. */
const key = (of: string) => createHash("sha256").update(of).digest("hex")

const enough = {
  DATABASE_URL: "postgres://localhost/boxoffice",
  BOXOFFICE_CHARGES: "user",
  BOXOFFICE_SIGNING_KEYS: `k2:${key("b")},k1:${key("a")}`
}

const production = { ...enough, NODE_ENV: "production", BOXOFFICE_IDENTITY: "header" }

const problemsOf = async (env: Record<string, string>, demo = false): Promise<string> => {
  const result = await read(env, demo)
  return result._tag === "Failure" ? result.failure.message : ""
}

const warningsOf = async (env: Record<string, string>, demo = false) => {
  const result = await read(env, demo)
  if (result._tag === "Failure") throw result.failure
  return result.success.warnings
}

describe("the environment", () => {
  test("with nothing in it, every lack is named at once", async () => {
    const problems = await problemsOf({})
    expect(problems).toContain("DATABASE_URL")
    expect(problems).toContain("BOXOFFICE_SIGNING_KEYS")
  })

  test("a URL that cannot be read is no outage: it is named, and not shown", async () => {
    const problems = await problemsOf({ ...enough, DATABASE_URL: "mysql://u:hunter2@db/tickets" })
    expect(problems).toContain("DATABASE_URL cannot be read: expected postgres://user:password@")
    expect(problems).not.toContain("hunter2")
  })

  test("is enough for the demo when empty, but not in production", async () => {
    expect(await problemsOf({}, true)).toBe("")
    expect(await problemsOf({ NODE_ENV: "production" }, true)).toContain("BOXOFFICE_IDENTITY")
  })

  test("a token's line end is not part of it", async () => {
    const env = {
      ...enough,
      BOXOFFICE_CHARGES: "operator",
      BOXOFFICE_SERVICE_TOKEN: `${key("c")}\n`
    }
    const result = await read(env)
    if (result._tag === "Failure") throw result.failure
    const { serviceToken, charges } = result.success
    expect([serviceToken && Redacted.value(serviceToken), charges]).toEqual([key("c"), "operator"])
  })

  test("nor of any other secret", async () => {
    const secret = newWebhookSecret()
    const endpoint = { name: "crm", url: "https://crm.example", secretVariables: ["CRM_SECRET"] }
    const result = await read({
      ...enough,
      BOXOFFICE_IDENTITY: "jwt",
      BOXOFFICE_JWT_SECRET: `${key("jwt")}\r\n`,
      BOXOFFICE_SIGNING_KEYS: `k1: ${key("a")} ,k2:${key("b")}\n`,
      BOXOFFICE_WEBHOOKS: JSON.stringify([endpoint]),
      CRM_SECRET: `${secret}\n`
    })
    if (result._tag === "Failure") throw result.failure
    const { identity, signingKeys, webhooks } = result.success
    expect(signingKeys.map(({ secret }) => Redacted.value(secret))).toEqual([key("a"), key("b")])
    expect(webhooks[0]!.secrets).toEqual([secret])
    if (identity.mode !== "jwt" || !("secret" in identity.keys)) throw new Error("no secret")
    expect(Redacted.value(identity.keys.secret)).toBe(key("jwt"))
  })

  test("each weak secret is named once, and the demo takes any", async () => {
    const weak = {
      BOXOFFICE_ADMIN_TOKEN: "x",
      BOXOFFICE_SERVICE_TOKEN: "y",
      BOXOFFICE_CHARGES: "operator"
    }
    expect((await problemsOf({ ...enough, ...weak })).match(/8 bytes/g)).toHaveLength(2)
    expect(await problemsOf(weak, true)).toBe("")
  })

  test("what clients can make the server keep is bounded, and never without a bound", async () => {
    const limits = async (env: Record<string, string>) => {
      const result = await read({ ...enough, ...env })
      if (result._tag === "Failure") throw result.failure
      const { maxConnections, writeTimeoutSeconds, streamsPerUser } = result.success
      return [maxConnections, writeTimeoutSeconds, streamsPerUser]
    }
    expect(await limits({})).toEqual([10_000, 30, 10])
    const set = {
      BOXOFFICE_MAX_CONNECTIONS: "5",
      BOXOFFICE_WRITE_TIMEOUT_SECONDS: "6",
      BOXOFFICE_STREAMS_PER_USER: "0"
    }
    expect(await limits(set)).toEqual([5, 6, 0])
    for (const name of ["BOXOFFICE_MAX_CONNECTIONS", "BOXOFFICE_WRITE_TIMEOUT_SECONDS"]) {
      expect(await problemsOf({ ...enough, [name]: "0" })).toContain(`${name} must be a whole`)
    }
  })

  test("in production, identity by header has to be asked for by name", async () => {
    const env = { ...enough, NODE_ENV: "production" }
    expect(await problemsOf(env)).toContain("BOXOFFICE_IDENTITY must be set in production")
    expect(await problemsOf({ ...env, BOXOFFICE_IDENTITY: "" })).toContain("BOXOFFICE_IDENTITY")
    expect(await problemsOf({ ...env, BOXOFFICE_IDENTITY: "header" })).toBe("")
    expect(await problemsOf({ ...env, BOXOFFICE_IDENTITY: "jwt" })).toContain("BOXOFFICE_JWKS_URL")
  })

  test.each([
    [{ BOXOFFICE_IDENTITY: "jwt", BOXOFFICE_JWT_SECRET: "short" }, "32 bytes"],
    [{ BOXOFFICE_IDENTITY: "jwt", BOXOFFICE_JWKS_URL: "not a url" }, "BOXOFFICE_JWKS_URL"],
    [
      { BOXOFFICE_IDENTITY: "jwt", BOXOFFICE_JWKS_URL: "http://issuer.example/jwks.json" },
      "BOXOFFICE_JWKS_URL must be an https URL"
    ],
    [{ BOXOFFICE_IDENTITY: "cookie" }, "one of header, jwt"],
    [{ PORT: "http" }, "PORT"],
    [{ BOXOFFICE_CHARGES: "" }, "BOXOFFICE_CHARGES must be set"],
    [{ BOXOFFICE_CHARGES: "anybody" }, "one of user, operator"],
    [{ BOXOFFICE_CHARGES: "operator" }, "needs BOXOFFICE_SERVICE_TOKEN"],
    [{ BOXOFFICE_ADMIN_TOKEN: "x" }, "BOXOFFICE_ADMIN_TOKEN must have 16 bytes"],
    [{ BOXOFFICE_SERVICE_TOKEN: "password" }, "BOXOFFICE_SERVICE_TOKEN must have 16 bytes"],
    [{ BOXOFFICE_ADMIN_TOKEN: "passwordpassword" }, "BOXOFFICE_ADMIN_TOKEN can be guessed"],
    [
      { BOXOFFICE_ADMIN_TOKEN: key("c"), BOXOFFICE_SERVICE_TOKEN: `${key("c")}\n` },
      "BOXOFFICE_SERVICE_TOKEN must differ from BOXOFFICE_ADMIN_TOKEN"
    ],
    [
      { BOXOFFICE_ADMIN_TOKEN: key("a") },
      "BOXOFFICE_SIGNING_KEYS: entry 2 must differ from BOXOFFICE_ADMIN_TOKEN"
    ],
    [
      { BOXOFFICE_IDENTITY: "jwt", BOXOFFICE_JWT_SECRET: "s".repeat(32) },
      "BOXOFFICE_JWT_SECRET can be guessed"
    ],
    [
      {
        BOXOFFICE_IDENTITY: "jwt",
        BOXOFFICE_JWT_SECRET: "box-office-demo-key-not-for-any-other-use"
      },
      "BOXOFFICE_JWT_SECRET is printed where anybody can read it"
    ],
    [{ BOXOFFICE_SIGNING_KEYS: "k1:x" }, "BOXOFFICE_SIGNING_KEYS: entry 1 must have 32 bytes"],
    [{ BOXOFFICE_SIGNING_KEYS: `${key("a")}` }, "BOXOFFICE_SIGNING_KEYS: entry 1 has no id"],
    [{ BOXOFFICE_SIGNING_KEYS: `k1:${key("a")},${key("b")}` }, "entry 2 has no id"],
    [{ BOXOFFICE_SIGNING_KEYS: "k1:" }, "BOXOFFICE_SIGNING_KEYS: entry 1 has no secret"],
    [{ BOXOFFICE_SIGNING_KEYS: `k1:${key("a")},` }, "entry 2 has no id"],
    [{ BOXOFFICE_SIGNING_KEYS: `k 1:${key("a")}` }, "BOXOFFICE_SIGNING_KEYS: an id is"],
    [{ BOXOFFICE_SIGNING_KEYS: `k1:${"a".repeat(32)}` }, "entry 1 can be guessed"],
    [
      { BOXOFFICE_SIGNING_KEYS: "k1:a secret of at least thirty-two bytes" },
      "entry 1 is printed where anybody can read it"
    ],
    [{ BOXOFFICE_ADMIN_TOKEN: "naïve-token" }, "BOXOFFICE_ADMIN_TOKEN must be visible"],
    [
      { BOXOFFICE_SIGNING_KEYS: "demo:box-office-demo-key-not-for-any-other-use" },
      "entry 1 is printed where anybody can read it"
    ],
    [{ BOXOFFICE_WALLET_CEILING: "9007199254740992" }, "BOXOFFICE_WALLET_CEILING"],
    [{ BOXOFFICE_MIGRATE: "yes" }, "true or false"],
    [{ BOXOFFICE_GATE: "hold,nope" }, "BOXOFFICE_GATE"],
    [{ BOXOFFICE_CURRENCY: "ZZZ" }, "BOXOFFICE_CURRENCY must be a code of ISO 4217"],
    [{ BOXOFFICE_WALLET_CEILING: "1.5" }, "BOXOFFICE_WALLET_CEILING"],
    [{ BOXOFFICE_HOLD_SECONDS: "0" }, "BOXOFFICE_HOLD_SECONDS"],
    [{ BOXOFFICE_QUEUE_PRIORITY_SHARE_PERCENT: "0" }, "from 1 to 100"],
    [{ BOXOFFICE_QUEUE_ABSENCE_SECONDS: "-1" }, "BOXOFFICE_QUEUE_ABSENCE_SECONDS"],
    [{ BOXOFFICE_QUEUE_MAX_AGE_MS: "1e9" }, "BOXOFFICE_QUEUE_MAX_AGE_MS"],
    [{ BOXOFFICE_STALE_IF_STORE_DOWN_MS: "forever" }, "BOXOFFICE_STALE_IF_STORE_DOWN_MS"],
    // The former names of two variables.
    [
      { BOXOFFICE_QUEUE_FRESH_MS: "900" },
      "BOXOFFICE_QUEUE_FRESH_MS is called BOXOFFICE_QUEUE_MAX_AGE_MS now"
    ],
    [
      { BOXOFFICE_AWAY_MS: "60000" },
      "BOXOFFICE_AWAY_MS is called BOXOFFICE_STALE_IF_STORE_DOWN_MS now"
    ],
    [{ BOXOFFICE_ENDED_TOKEN_SECONDS: "0" }, "BOXOFFICE_ENDED_TOKEN_SECONDS"],
    [
      { BOXOFFICE_IDEMPOTENCY_KEY_SECONDS: "86399" },
      "BOXOFFICE_IDEMPOTENCY_KEY_SECONDS must be a whole number of seconds from 86400"
    ],
    [{ BOXOFFICE_IDEMPOTENCY_KEY_SECONDS: "0" }, "BOXOFFICE_IDEMPOTENCY_KEY_SECONDS"],
    [{ BOXOFFICE_ENDED_RESERVATION_SECONDS: "30d" }, "from 3600 to 2147483647, or 0 to keep all"],
    [{ BOXOFFICE_EVENT_SECONDS: "60" }, "BOXOFFICE_EVENT_SECONDS"],
    [{ BOXOFFICE_DEAD_LETTER_SECONDS: "-1" }, "BOXOFFICE_DEAD_LETTER_SECONDS"]
  ])("%o is refused", async (env, problem) => {
    const given = { ...production, ...(env as Record<string, string>) }
    expect(await problemsOf(given)).toContain(problem)
  })

  test.each([undefined, key("a"), "k1:x", `k1:${"a".repeat(32)}`, `k1:${key("a")},k1:${key("b")}`])(
    "signing keys such as %s are answered with the command that makes one, id and all",
    async (keys) => {
      const { BOXOFFICE_SIGNING_KEYS: _, ...rest } = production
      const given = keys === undefined ? rest : { ...rest, BOXOFFICE_SIGNING_KEYS: keys }
      expect(await problemsOf(given)).toContain('echo "k1:$(openssl rand -hex 32)"')
    }
  )

  test.each([
    "hunter2hunter2ab",
    "hunter2:ab",
    "k1:hunter2,hunter2",
    ":hunter2hunter2",
    "hunter2hunter2hunter2hunter2hunter2:x"
  ])("a message about signing keys such as %s shows no part of them", async (keys) => {
    for (const given of [enough, production]) {
      const problems = await problemsOf({ ...given, BOXOFFICE_SIGNING_KEYS: keys })
      expect(problems).toContain("BOXOFFICE_SIGNING_KEYS: ")
      expect(problems).not.toContain("hunter2")
    }
  })

  test("what can be guessed will do outside production", async () => {
    const env = {
      BOXOFFICE_ADMIN_TOKEN: "password",
      BOXOFFICE_SIGNING_KEYS: `k1:${"a".repeat(32)}`
    }
    expect(await problemsOf({ ...enough, ...env })).toBe("")
    expect(await problemsOf({ ...production, ...env })).toContain("entry 1 can be guessed")
  })

  describe("unknown variables", () => {
    test("give a warning each, with the name that is nearest", async () => {
      const unknown = {
        BOXOFFICE_ADMN_TOKEN: "a",
        BOXOFFICE_QUEUE_MAX_ACTIV: "5",
        BOXOFFICE_GATE_MAX_AGE_MS: "5"
      }
      for (const demo of [false, true]) {
        expect(await warningsOf({ ...enough, ...unknown }, demo)).toEqual([
          "BOXOFFICE_ADMN_TOKEN is ignored: it is no setting of this server. Did you mean BOXOFFICE_ADMIN_TOKEN?",
          "BOXOFFICE_QUEUE_MAX_ACTIV is ignored: it is no setting of this server. Did you mean BOXOFFICE_QUEUE_MAX_ACTIVE?",
          "BOXOFFICE_GATE_MAX_AGE_MS is ignored: it is no setting of this server. Did you mean BOXOFFICE_QUEUE_MAX_AGE_MS?"
        ])
      }
    })

    test("are found in the environment of a process, too", async () => {
      const env = { ...enough, BOXOFFICE_ADMN_TOKEN: "a", BOXOFFICE_X_0: "", BOXOFFICE_X_7: "b" }
      const { warnings } = await serverConfig({ demo: false }).pipe(
        Effect.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env }))),
        Effect.runPromise
      )
      expect(warnings.join()).toContain("BOXOFFICE_ADMN_TOKEN is ignored")
      expect(warnings.join()).toContain("BOXOFFICE_X_7 is ignored")
    })

    test("a former name of the keys is read, with a warning", async () => {
      const { BOXOFFICE_SIGNING_KEYS: keys, ...rest } = enough
      const env = { ...rest, BOXOFFICE_TICKET_KEYS: keys }
      expect(await problemsOf(env)).toBe("")
      expect(await warningsOf(env)).toEqual([
        "BOXOFFICE_TICKET_KEYS is called BOXOFFICE_SIGNING_KEYS now: rename it."
      ])
    })

    test("do not include the secrets of webhooks, nor others' variables", async () => {
      const endpoint = {
        name: "crm",
        url: "https://crm.example",
        secretVariables: ["BOXOFFICE_CRM_SECRET"]
      }
      const env = {
        ...enough,
        BOXOFFICE_WEBHOOKS: JSON.stringify([endpoint]),
        BOXOFFICE_CRM_SECRET: newWebhookSecret(),
        BOXOFFICES: "1",
        POSTGRES_PASSWORD: "x"
      }
      expect(await warningsOf(env)).toEqual([])
    })

    test("do not include those that Kubernetes sets for a service named boxoffice", async () => {
      const links = {
        BOXOFFICE_SERVICE_HOST: "10.0.0.1",
        BOXOFFICE_SERVICE_PORT: "3000",
        BOXOFFICE_SERVICE_PORT_HTTP: "3000",
        BOXOFFICE_PORT: "tcp://10.0.0.1:3000",
        BOXOFFICE_PORT_3000_TCP: "tcp://10.0.0.1:3000",
        BOXOFFICE_PORT_3000_TCP_PROTO: "tcp",
        BOXOFFICE_PORT_3000_TCP_PORT: "3000",
        BOXOFFICE_PORT_3000_TCP_ADDR: "10.0.0.1",
        BOXOFFICE_WEB_SERVICE_HOST: "10.0.0.2"
      }
      expect(await warningsOf({ ...enough, ...links })).toEqual([])
      const [warning] = await warningsOf({ ...enough, BOXOFFICE_PORT: "4000" })
      expect(warning).toContain("Did you mean PORT?")
    })
  })

  test.each([
    ["", ["dates", "seats", "hold", "charge", "balance", "pay"]],
    ["none", []]
  ])("BOXOFFICE_GATE=%s decides which operations need a queue token", async (gate, operations) => {
    const result = await read({ ...enough, BOXOFFICE_GATE: gate })
    if (result._tag === "Failure") throw result.failure
    expect(result.success.policies.gate).toEqual(operations)
  })

  describe("webhooks", () => {
    const secret = newWebhookSecret()
    const crm = { name: "crm", url: "https://crm.example/hooks", secretVariables: ["CRM_SECRET"] }
    const problems = (webhooks: unknown, env = {}) =>
      problemsOf({ ...production, BOXOFFICE_WEBHOOKS: JSON.stringify(webhooks), ...env })

    test("are endpoints whose secrets are in variables, inline or in a file", async () => {
      const document = JSON.stringify([{ ...crm, types: ["ReservationPaid"], attempts: 3 }])
      const directory = await mkdtemp(join(tmpdir(), "boxoffice-webhooks-"))
      const file = join(directory, "webhooks.json")
      await writeFile(file, document)
      for (const source of [{ BOXOFFICE_WEBHOOKS: document }, { BOXOFFICE_WEBHOOKS_FILE: file }]) {
        expect(await read({ ...enough, ...source, CRM_SECRET: secret })).toMatchObject({
          _tag: "Success",
          success: {
            webhooks: [
              {
                name: "crm",
                url: crm.url,
                secrets: [secret],
                types: ["ReservationPaid"],
                attempts: 3
              }
            ]
          }
        })
      }
      await rm(directory, { recursive: true })
      expect(await read(enough)).toMatchObject({ _tag: "Success", success: { webhooks: [] } })
    })

    test.each([
      ["no JSON", "{", {}, /BOXOFFICE_WEBHOOKS: .*Expected, for example, \[\{ "name"/],
      ["a secret in the document", [{ ...crm, secrets: ["x"] }], {}, /0\.secrets/],
      ["no secret in the environment", [crm], {}, /CRM_SECRET must be set: .*openssl rand/],
      ["an empty secret", [crm], { CRM_SECRET: "" }, /CRM_SECRET must be set/],
      [
        "a weak secret",
        [crm],
        { CRM_SECRET: "whsec_abc" },
        /endpoint crm: it needs 1 to 8 secrets/
      ],
      [
        "a secret that repeats itself",
        [crm],
        { CRM_SECRET: `whsec_${Buffer.alloc(32).toString("base64")}` },
        /CRM_SECRET can be guessed/
      ],
      ["an unknown type", [{ ...crm, types: ["SeatMoved"] }], {}, /0\.types\.0/],
      [
        "http",
        [{ ...crm, url: "http://crm.example" }],
        { CRM_SECRET: secret },
        /its URL must be https, or http with allowPrivate: true for a receiver/
      ],
      ["one name twice", [crm, crm], { CRM_SECRET: secret }, /two endpoints are called crm/],
      ["both", [crm], { BOXOFFICE_WEBHOOKS_FILE: "x.json" }, /either BOXOFFICE_WEBHOOKS or/]
    ])("with %s are refused", async (_, webhooks, env, problem) => {
      const said = await problems(webhooks, env)
      expect(said).toMatch(problem)
      expect(said).not.toContain("whsec_abc")
    })

    test("in a file that is not there are refused", async () => {
      const env = { ...enough, BOXOFFICE_WEBHOOKS_FILE: "/nowhere/webhooks.json" }
      expect(await problemsOf(env)).toMatch(/cannot be read: is \/nowhere\/webhooks.json there/)
    })
  })

  test("decides policies and keys", async () => {
    const result = await read({
      ...enough,
      BOXOFFICE_HOLD_SECONDS: "60",
      BOXOFFICE_GATE: "hold, pay",
      BOXOFFICE_QUEUE_MAX_ACTIVE: "7",
      BOXOFFICE_QUEUE_PRIORITY_SHARE_PERCENT: "20",
      BOXOFFICE_QUEUE_ABSENCE_SECONDS: "0",
      BOXOFFICE_QUEUE_MAX_AGE_MS: "250",
      BOXOFFICE_STALE_IF_STORE_DOWN_MS: "0",
      BOXOFFICE_ENDED_TOKEN_SECONDS: "3600",
      BOXOFFICE_IDEMPOTENCY_KEY_SECONDS: "86400",
      BOXOFFICE_EVENT_SECONDS: "0"
    })
    expect(result).toMatchObject({
      _tag: "Success",
      success: {
        policies: {
          holdSeconds: 60,
          gate: ["hold", "pay"],
          queueMaxAgeMs: 250,
          staleIfStoreDownMs: 0,
          endedTokenSeconds: 3_600,
          idempotencyKeySeconds: 86_400,
          endedReservationSeconds: 2_592_000,
          eventSeconds: 0,
          queue: { maxActive: 7, prioritySharePercent: 20, absenceSeconds: 0 }
        },
        signingKeys: [{ id: "k2" }, { id: "k1" }],
        port: 3_000,
        host: "0.0.0.0",
        migrate: false
      }
    })
  })
})

describe("serve", () => {
  test("says what is missing", async () => {
    await using server = run(["serve"])
    expect(await server.ended).toBe(1)
    expect(server.stderr()).toContain("DATABASE_URL must be set")
  })

  test("says so where the schema is not there", async () => {
    const database = await createTestDatabase()
    try {
      const env = { ...enough, DATABASE_URL: database.url, PORT: String(await freePort()) }
      await using unmigrated = run(["serve"], env)
      expect(await unmigrated.ended).toBe(1)
      expect(unmigrated.stderr()).toContain("migrate it")
    } finally {
      await database.drop()
    }
  }, 30_000)

  test("serves, logs each request as a line of JSON, and ends in good order", async () => {
    const database = await createTestDatabase()
    try {
      const port = await freePort()
      await using server = run(["serve", "--port", String(port)], {
        ...enough,
        DATABASE_URL: database.url,
        BOXOFFICE_MIGRATE: "true"
      })
      await server.says("listening on")
      const talk = talkTo(`http://127.0.0.1:${port}`)
      expect((await talk("GET", "/readyz")).body).toEqual({ status: "ready" })
      expect((await talk("GET", "/v1/shows", { user: "ada" })).body.items).toEqual([])
      await server.says('"route":"/v1/shows"')
      const lines = server.stdout().trim().split("\n")
      expect(JSON.parse(lines.at(-1)!)).toMatchObject({ method: "GET", status: 200 })
      server.process.kill("SIGTERM")
      expect(await server.ended).toBe(0)
    } finally {
      await database.drop()
    }
  }, 30_000)

  test("sends traces to the configured endpoint, with no tokens in them", async () => {
    const database = await createTestDatabase()
    const received: Array<string> = []
    const collector = createServer(async (request, response) => {
      received.push(`${request.url} ${await text(request)}`)
      response.end("{}")
    }).listen(0, "127.0.0.1")
    await once(collector, "listening")
    const address = collector.address()
    if (address === null || typeof address === "string") throw new Error("no port")
    try {
      const port = await freePort()
      await using server = run(["serve", "--port", String(port)], {
        ...enough,
        DATABASE_URL: database.url,
        BOXOFFICE_MIGRATE: "true",
        OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${address.port}`
      })
      await server.says("listening on")
      const talk = talkTo(`http://127.0.0.1:${port}`)
      await talk("GET", "/v1/shows", { user: "secret-user", token: "secret-token" })
      server.process.kill("SIGTERM")
      expect(await server.ended).toBe(0)
      const traces = received.join("\n")
      expect(traces).toContain("/v1/traces")
      expect(traces).toContain("Catalog.shows")
      expect(traces).not.toContain("secret")
    } finally {
      collector.close()
      await database.drop()
    }
  }, 30_000)

  test("--help teaches", async () => {
    await using help = run(["serve", "--help"])
    expect(await help.ended).toBe(0)
    for (const name of ["DATABASE_URL", "BOXOFFICE_IDENTITY", "BOXOFFICE_ADMIN_TOKEN", "--port"]) {
      expect(help.stdout()).toContain(name)
    }
  })
})
