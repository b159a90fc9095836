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
import { serverConfig } from "../src/config.ts"
import { freePort, run } from "./command.ts"
import { talkTo } from "./support.ts"

const read = (env: Record<string, string>, demo = false) =>
  serverConfig({ demo }).pipe(
    Effect.provide(ConfigProvider.layer(ConfigProvider.fromUnknown(env))),
    Effect.result,
    Effect.runPromise
  )

const enough = {
  DATABASE_URL: "postgres://localhost/boxoffice",
  BOXOFFICE_CHARGES: "user",
  BOXOFFICE_TICKET_KEYS: `k2:${"b".repeat(32)},k1:${"a".repeat(32)}`
}

const problemsOf = async (env: Record<string, string>, demo = false): Promise<string> => {
  const result = await read(env, demo)
  return result._tag === "Failure" ? result.failure.message : ""
}

describe("the environment", () => {
  test("with nothing in it, every lack is named at once", async () => {
    const problems = await problemsOf({})
    expect(problems).toContain("DATABASE_URL")
    expect(problems).toContain("BOXOFFICE_TICKET_KEYS")
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

  test("a token's line end is not part of it, and operators charge without a queue token", async () => {
    const env = { ...enough, BOXOFFICE_CHARGES: "operator", BOXOFFICE_SERVICE_TOKEN: "a-token-1\n" }
    const result = await read(env)
    if (result._tag === "Failure") throw result.failure
    const { serviceToken, policies, charges } = result.success
    expect([serviceToken && Redacted.value(serviceToken), charges]).toEqual([
      "a-token-1",
      "operator"
    ])
    expect(policies.gate).toEqual(["dates", "seats", "hold", "balance", "pay"])
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
    [{ BOXOFFICE_IDENTITY: "cookie" }, "one of header, jwt"],
    [{ PORT: "http" }, "PORT"],
    [{ BOXOFFICE_CHARGES: "" }, "BOXOFFICE_CHARGES must be set"],
    [{ BOXOFFICE_CHARGES: "anybody" }, "one of user, operator"],
    [{ BOXOFFICE_CHARGES: "operator" }, "needs BOXOFFICE_SERVICE_TOKEN"],
    [{ BOXOFFICE_ADMIN_TOKEN: "x" }, "BOXOFFICE_ADMIN_TOKEN must have 8 characters"],
    [{ BOXOFFICE_ADMIN_TOKEN: "naïve-token" }, "BOXOFFICE_ADMIN_TOKEN must be visible"],
    [
      { BOXOFFICE_TICKET_KEYS: "demo:box-office-demo-key-not-for-any-other-use" },
      "must not be the demo's key"
    ],
    [{ BOXOFFICE_WALLET_CEILING: "9007199254740992" }, "BOXOFFICE_WALLET_CEILING"],
    [{ BOXOFFICE_MIGRATE: "yes" }, "true or false"],
    [{ BOXOFFICE_GATE: "hold,nope" }, "BOXOFFICE_GATE"],
    [{ BOXOFFICE_WALLET_CEILING: "1.5" }, "BOXOFFICE_WALLET_CEILING"],
    [{ BOXOFFICE_HOLD_SECONDS: "0" }, "BOXOFFICE_HOLD_SECONDS"],
    [{ BOXOFFICE_QUEUE_PRIORITY_SHARE_PERCENT: "0" }, "from 1 to 100"],
    [{ BOXOFFICE_QUEUE_ABSENCE_SECONDS: "-1" }, "BOXOFFICE_QUEUE_ABSENCE_SECONDS"],
    [{ BOXOFFICE_QUEUE_FRESH_MS: "1e9" }, "BOXOFFICE_QUEUE_FRESH_MS"],
    [{ BOXOFFICE_AWAY_MS: "forever" }, "BOXOFFICE_AWAY_MS"],
    [{ BOXOFFICE_ENDED_TOKEN_SECONDS: "0" }, "BOXOFFICE_ENDED_TOKEN_SECONDS"]
  ])("%o is refused", async (env, problem) => {
    expect(await problemsOf({ ...enough, ...(env as Record<string, string>) })).toContain(problem)
  })

  describe("webhooks", () => {
    const secret = newWebhookSecret()
    const crm = { name: "crm", url: "https://crm.example/hooks", secretVariables: ["CRM_SECRET"] }
    const problems = (webhooks: unknown, env = {}) =>
      problemsOf({ ...enough, BOXOFFICE_WEBHOOKS: JSON.stringify(webhooks), ...env })

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
      ["no JSON", "{", {}, /BOXOFFICE_WEBHOOKS: .*Expected such as \[\{ "name"/],
      ["a secret in the document", [{ ...crm, secrets: ["x"] }], {}, /0\.secrets/],
      ["no secret in the environment", [crm], {}, /CRM_SECRET must be set: .*openssl rand/],
      ["an empty secret", [crm], { CRM_SECRET: "" }, /CRM_SECRET must be set/],
      [
        "a weak secret",
        [crm],
        { CRM_SECRET: "whsec_abc" },
        /endpoint crm: it needs 1 to 8 secrets/
      ],
      ["an unknown type", [{ ...crm, types: ["SeatMoved"] }], {}, /0\.types\.0/],
      [
        "http",
        [{ ...crm, url: "http://crm.example" }],
        { CRM_SECRET: secret },
        /its URL must be https/
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
      BOXOFFICE_QUEUE_FRESH_MS: "250",
      BOXOFFICE_AWAY_MS: "0",
      BOXOFFICE_ENDED_TOKEN_SECONDS: "3600"
    })
    expect(result).toMatchObject({
      _tag: "Success",
      success: {
        policies: {
          holdSeconds: 60,
          gate: ["hold", "pay"],
          queueFreshMs: 250,
          awayMs: 0,
          endedTokenSeconds: 3_600,
          queue: { maxActive: 7, prioritySharePercent: 20, absenceSeconds: 0 }
        },
        ticketKeys: [{ id: "k2" }, { id: "k1" }],
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

  test("says so where the schema is not there, and where the keys are weak", async () => {
    const database = await createTestDatabase()
    try {
      const env = { ...enough, DATABASE_URL: database.url, PORT: String(await freePort()) }
      await using unmigrated = run(["serve"], env)
      expect(await unmigrated.ended).toBe(1)
      expect(unmigrated.stderr()).toContain("migrate it")
      await using weak = run(["serve"], {
        ...env,
        BOXOFFICE_MIGRATE: "true",
        BOXOFFICE_TICKET_KEYS: "k1:x"
      })
      expect(await weak.ended).toBe(1)
      expect(weak.stderr()).toContain("32 bytes")
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

  test("sends traces where it is told to, with no tokens in them", async () => {
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
