import { createSign, generateKeyPairSync } from "node:crypto"
import { createServer, request, type Server } from "node:http"
import { text } from "node:stream/consumers"
import { Effect, Fiber, Layer, Redacted } from "effect"
import { TestClock } from "effect/testing"
import { exportJWK, generateKeyPair, SignJWT, UnsecuredJWT } from "jose"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { Identities, type IdentityOptions } from "../src/http/identity.ts"
import { adminToken, openHouse, startServer, type TestServer } from "./support.ts"

const secret = "a shared secret of at least thirty-two bytes"
const bytes = (text: string) => new TextEncoder().encode(text)

const jwt = (claims: { sub?: string; exp?: string | number; aud?: string; iss?: string } = {}) => {
  const token = new SignJWT({}).setProtectedHeader({ alg: "HS256" }).setIssuedAt()
  token.setSubject(claims.sub ?? "ada").setExpirationTime(claims.exp ?? "5m")
  token.setIssuer(claims.iss ?? "issuer").setAudience(claims.aud ?? "tickets")
  return token
}

const whoami = async (server: TestServer, token: string | undefined) => {
  const headers = token === undefined ? {} : { Authorization: `Bearer ${token}` }
  const { status, body } = await server.talk("POST", "/v1/queues/main/token", { headers })
  if (status !== 201 && status !== 200) return { status, code: body.code }
  const claims = JSON.parse(Buffer.from(body.token.split(".")[2], "base64url").toString())
  return claims[1]
}

const refused = { status: 401, code: "identity_required" }

describe("a JWT with a shared secret", () => {
  let server: TestServer
  const options: IdentityOptions = {
    mode: "jwt",
    keys: { secret: Redacted.make(secret) },
    issuer: "issuer",
    audience: "tickets"
  }
  beforeAll(async () => {
    server = await startServer({ routes: { identity: options } })
    await openHouse(server.talk)
  })
  afterAll(() => server.stop())

  test("names the user by its subject", async () => {
    expect(await whoami(server, await jwt({ sub: "박지은" }).sign(bytes(secret)))).toBe("박지은")
  })

  test("and nothing else does", async () => {
    const { body } = await server.talk("POST", "/v1/queues/main/token", { user: "ada" })
    expect(body.code).toBe("identity_required")
  })

  test("is refused when it is expired, unsigned, or not for here", async () => {
    const { privateKey } = await generateKeyPair("RS256")
    const tokens = {
      missing: undefined,
      malformed: "x",
      expired: await jwt({ exp: 1_000 }).sign(bytes(secret)),
      "without end": await new SignJWT({ sub: "ada", iss: "issuer", aud: "tickets" })
        .setProtectedHeader({ alg: "HS256" })
        .sign(bytes(secret)),
      "another secret": await jwt().sign(bytes(`${secret}!`)),
      "another algorithm": await new SignJWT({ sub: "ada", iss: "issuer", aud: "tickets" })
        .setProtectedHeader({ alg: "RS256" })
        .setExpirationTime("5m")
        .sign(privateKey),
      "a longer hash": await new SignJWT({ sub: "ada", iss: "issuer", aud: "tickets" })
        .setProtectedHeader({ alg: "HS512" })
        .setExpirationTime("5m")
        .sign(bytes(secret)),
      "no algorithm": new UnsecuredJWT({ sub: "ada", iss: "issuer", aud: "tickets" })
        .setExpirationTime("5m")
        .encode(),
      "another issuer": await jwt({ iss: "somebody" }).sign(bytes(secret)),
      "another audience": await jwt({ aud: "somewhere" }).sign(bytes(secret)),
      "no user": await jwt({ sub: "" }).sign(bytes(secret)),
      "an impossible user": await jwt({ sub: "a\nb" }).sign(bytes(secret))
    }
    for (const [name, token] of Object.entries(tokens)) {
      expect([name, await whoami(server, token)]).toEqual([name, refused])
    }
  })
})

describe("a JWT with published keys", () => {
  let issuer: Server
  let url: URL
  let keys: ReadonlyArray<object> = []
  beforeAll(async () => {
    issuer = createServer((_, response) => response.end(JSON.stringify({ keys })))
    await new Promise<void>((resolve) => issuer.listen(0, "127.0.0.1", resolve))
    const address = issuer.address()
    if (address === null || typeof address === "string") throw new Error("no port")
    url = new URL(`http://127.0.0.1:${address.port}/jwks.json`)
  })
  afterAll(() => issuer.close())

  const signer = async (kid: string, alg: "RS256" | "ES256") => {
    const { privateKey, publicKey } = await generateKeyPair(alg)
    const jwk = { ...(await exportJWK(publicKey)), kid, alg, use: "sig" }
    const sign = () =>
      new SignJWT({ sub: "ada" })
        .setProtectedHeader({ alg, kid })
        .setExpirationTime("5m")
        .sign(privateKey)
    return { jwk, sign, publicKey }
  }

  const start = async () => {
    const server = await startServer({
      routes: { identity: { mode: "jwt", keys: { jwksUrl: url } } }
    })
    await openHouse(server.talk)
    return server
  }

  test("names the user, by any of them; and they rotate", async () => {
    const first = await signer("first", "RS256")
    const second = await signer("second", "ES256")
    keys = [first.jwk, second.jwk]
    await using server = await start()
    expect(await whoami(server, await first.sign())).toBe("ada")
    expect(await whoami(server, await second.sign())).toBe("ada")
    const unknown = await signer("third", "ES256")
    expect(await whoami(server, await unknown.sign())).toEqual(refused)

    keys = [second.jwk, unknown.jwk]
    await using later = await start()
    expect(await whoami(later, await unknown.sign())).toBe("ada")
    expect(await whoami(later, await first.sign())).toEqual(refused)
  })

  test("that is too short to be safe is the issuer's fault, and the log says so", async () => {
    const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 1024 })
    keys = [{ ...publicKey.export({ format: "jwk" }), kid: "short", alg: "RS256" }]
    await using server = await start()
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url")
    const signed = `${part({ alg: "RS256", kid: "short" })}.${part({ sub: "ada", exp: 4e9 })}`
    const signature = createSign("sha256").update(signed).sign(privateKey, "base64url")
    const headers = { Authorization: `Bearer ${signed}.${signature}` }
    const { status, body } = await server.talk("POST", "/v1/queues/main/token", { headers })
    expect([status, body.code]).toEqual([503, "identity_unavailable"])
    expect(server.logs.filter(({ text }) => text.includes("2048 bits"))).toHaveLength(1)
  })

  test("a malformed token is the caller's fault", async () => {
    const { jwk, sign } = await signer("good", "RS256")
    keys = [jwk]
    await using server = await start()
    const [head, payload, signature] = (await sign()).split(".")
    for (const token of [
      `${head}.${payload}.\u00e9`,
      `${head}.\u00e9.${signature}`,
      `\u00e9.${payload}.${signature}`,
      `${head}.${payload}.!`,
      `${head}..${signature}`,
      `${head}.${payload}.`,
      "..",
      `${Buffer.from('{"alg":1}').toString("base64url")}.${payload}.${signature}`,
      `${Buffer.from('{"alg":"RS256","kid":[]}').toString("base64url")}.${payload}.${signature}`
    ]) {
      expect([token, await whoami(server, token)]).toEqual([token, refused])
    }
    expect(server.logs.filter(({ text }) => text.includes("JWKS_URL"))).toEqual([])
  })

  test("a public key is no shared secret", async () => {
    const { jwk } = await signer("public", "RS256")
    keys = [jwk]
    await using server = await start()
    const forged = await new SignJWT({ sub: "ada" })
      .setProtectedHeader({ alg: "HS256", kid: "public" })
      .setExpirationTime("5m")
      .sign(bytes(JSON.stringify(jwk)))
    expect(await whoami(server, forged)).toEqual(refused)
  })

  test("while the issuer is unavailable, callers try again, and the log says so once", async () => {
    const gone = new URL("http://127.0.0.1:9/jwks.json")
    await using server = await startServer({
      routes: { identity: { mode: "jwt", keys: { jwksUrl: gone } } }
    })
    const { sign } = await signer("any", "RS256")
    const headers = { Authorization: `Bearer ${await sign()}` }
    for (let i = 0; i < 3; i++) {
      const answer = await server.talk("POST", "/v1/queues/main/token", { headers })
      expect([answer.status, answer.body.code]).toEqual([503, "identity_unavailable"])
      expect(Number(answer.headers.get("retry-after"))).toBeGreaterThanOrEqual(1)
    }
    // A text that is no JWT is refused without the keys.
    expect(await whoami(server, "x")).toEqual(refused)
    const said = server.logs.filter(({ text }) => text.includes(gone.href))
    expect(said).toHaveLength(1)
    expect(said[0]!.text).toContain("BOXOFFICE_JWKS_URL")
    // Node's fetch refuses this port; the reason is the cause of its "fetch failed".
    expect(said[0]!.text).toContain("bad port")
  })

  test("a missing iss or aud is said at the start", async () => {
    const warningsWith = async (limits: { issuer?: string; audience?: string }) => {
      const identity = { mode: "jwt", keys: { jwksUrl: url }, ...limits } as const
      await using server = await startServer({ routes: { identity } })
      return server.logs.flatMap(({ text }) => text.match(/BOXOFFICE_JWT_\w+/g) ?? [])
    }
    expect(await warningsWith({})).toEqual(["BOXOFFICE_JWT_ISSUER", "BOXOFFICE_JWT_AUDIENCE"])
    expect(await warningsWith({ issuer: "issuer" })).toEqual(["BOXOFFICE_JWT_AUDIENCE"])
    expect(await warningsWith({ issuer: "issuer", audience: "tickets" })).toEqual([])
  })

  test("keys by http from elsewhere are refused before there is a server", async () => {
    const jwksUrl = new URL("http://issuer.example/jwks.json")
    const starting = startServer({ routes: { identity: { mode: "jwt", keys: { jwksUrl } } } })
    await expect(starting).rejects.toThrow("identity.keys.jwksUrl must be an https URL")
  })
})

describe("an operator", () => {
  test("knows the token; other callers are refused", async () => {
    await using server = await startServer()
    const ask = { json: { queueId: "main" } }
    for (const authorization of [
      undefined,
      "Bearer x",
      `Basic ${adminToken}`,
      `Bearer ${adminToken}x`
    ]) {
      const headers: Record<string, string> = authorization ? { Authorization: authorization } : {}
      const answer = await server.talk("POST", "/v1/admin/queues", { ...ask, headers, user: "ada" })
      expect(answer).toMatchObject(refused.status === answer.status ? { status: 401 } : {})
      expect(answer.body.code).toBe("identity_required")
    }
    expect((await server.talk("POST", "/v1/admin/queues", { ...ask, admin: true })).status).toBe(
      201
    )
  })

  test("does not exist where there is no token", async () => {
    await using server = await startServer({ routes: { adminToken: undefined } })
    const answer = await server.talk("POST", "/v1/admin/queues", { admin: true, json: {} })
    expect(answer).toMatchObject({ status: 404, body: { code: "not_found" } })
    const { body } = await server.talk("GET", "/openapi.json")
    expect(Object.keys(body.paths).filter((path) => path.startsWith("/v1/admin"))).toEqual([])
  })
})

test("tokens that would be everybody's, or two in one, are refused before there is a server", async () => {
  const starting = (routes: { adminToken?: string; serviceToken?: string }) =>
    startServer({ routes })
  await expect(starting({ adminToken: "" })).rejects.toThrow("adminToken must not be empty")
  await expect(starting({ serviceToken: "\n" })).rejects.toThrow("serviceToken must not be empty")
  const same = { adminToken: "a token of everybody", serviceToken: "a token of everybody\n" }
  await expect(starting(same)).rejects.toThrow("serviceToken must differ")
  const identity = { mode: "jwt", keys: { secret: Redacted.make("short") } } as const
  await expect(startServer({ routes: { identity } })).rejects.toThrow("32 bytes")
  await using server = await startServer({ routes: { adminToken: `${adminToken}\n` } })
  expect((await server.talk("GET", "/v1/admin/queues", { admin: true })).status).toBe(200)
})

test("a host can identify the caller; if it does not, the caller is refused", async () => {
  const userOf = async ({ cookie }: Readonly<Record<string, string | undefined>>) =>
    cookie === "session=1" ? "ada" : cookie === "session=2" ? "x".repeat(129) : undefined
  const server = await startServer({ routes: { identity: { mode: "host", userOf } } })
  await openHouse(server.talk)
  const statusOf = async (cookie: string, user?: string) => {
    const headers = { cookie }
    return (await server.talk("POST", "/v1/queues/main/token", { headers, user })).status
  }
  expect(await statusOf("session=1")).toBe(201)
  expect(await statusOf("session=2")).toBe(401)
  expect(await statusOf("session=3", "ada")).toBe(401)
  await server.stop()
})

test("a host that never says who is calling has its callers try again after ten seconds", async () => {
  const userOf = () => new Promise<string>(() => {})
  const asked = Effect.gen(function* () {
    const { user } = yield* Identities
    const fiber = yield* Effect.forkChild(Effect.result(user({})))
    yield* TestClock.adjust("10 seconds")
    return yield* Fiber.join(fiber)
  })
  const layer = Identities.layer({ identity: { mode: "host", userOf }, adminToken: undefined })
  const answer = await Effect.runPromise(
    Effect.provide(asked, Layer.provideMerge(layer, TestClock.layer()))
  )
  expect(answer).toMatchObject({ failure: { code: "identity_unavailable" } })
})

test("if a host cannot identify callers, they try again, and the log says so once", async () => {
  const faults: Record<string, () => Promise<string>> = {
    throws: () => {
      throw new Error("no session store")
    },
    rejects: () => Promise.reject(new Error("no session store")),
    works: async () => "ada"
  }
  const userOf = ({ cookie = "works" }: Readonly<Record<string, string | undefined>>) =>
    faults[cookie]!()
  await using server = await startServer({ routes: { identity: { mode: "host", userOf } } })
  await openHouse(server.talk)
  for (const cookie of ["throws", "rejects"]) {
    const answer = await server.talk("GET", "/v1/shows", { headers: { cookie } })
    expect([answer.status, answer.body.code]).toEqual([503, "identity_unavailable"])
    expect(answer.headers.get("retry-after")).toBe("1")
  }
  expect((await server.talk("GET", "/v1/shows")).status).toBe(200)
  const said = server.logs.map(({ text }) => text).filter((text) => text.includes("userOf"))
  expect(said).toEqual([
    expect.stringContaining("no session store"),
    expect.stringContaining("ended")
  ])
})

describe("an identifying header, sent twice", () => {
  const token = "a token of the payment service"
  const send = (
    server: TestServer,
    headers: Record<string, string | ReadonlyArray<string>>,
    { method = "POST", path = "/v1/queues/main/token" } = {}
  ) =>
    new Promise<{ status: number | undefined; code: unknown }>((resolve, reject) => {
      const asked = request(server.url + path, { method, headers: headers as never })
      asked.on("error", reject).on("response", async (response) => {
        const body = await text(response)
        const code = body === "" ? undefined : JSON.parse(body).code
        resolve({ status: response.statusCode, code })
      })
      asked.end("transfer-encoding" in headers ? "{}" : undefined)
    })
  // By the fast path, and by Effect's router.
  const ways = [{}, { "transfer-encoding": "chunked", "content-type": "application/json" }]

  test("identifies no caller, whichever of the two Node keeps", async () => {
    const secret = "a shared secret of at least thirty-two bytes"
    const keys = { secret: Redacted.make(secret) }
    await using server = await startServer({ routes: { identity: { mode: "jwt", keys } } })
    await openHouse(server.talk)
    const [ada, eve] = await Promise.all(
      ["ada", "eve"].map(async (sub) => `Bearer ${await jwt({ sub }).sign(bytes(secret))}`)
    )
    for (const way of ways) {
      expect((await send(server, { ...way, authorization: ada! })).status).toBeLessThan(300)
      expect(await send(server, { ...way, authorization: [ada!, eve!] })).toEqual(refused)
      expect(await send(server, { ...way, Authorization: [ada!, ada!] })).toEqual(refused)
    }
    const admin = `Bearer ${adminToken}`
    const path = { path: "/v1/admin/queues", method: "GET" }
    expect((await send(server, { authorization: admin }, path)).status).toBe(200)
    expect(await send(server, { authorization: [admin, eve!] }, path)).toEqual(refused)
  })

  test("names no third user, however a gateway has joined the two", async () => {
    await using server = await startServer({ routes: { charges: "operator", serviceToken: token } })
    await openHouse(server.talk)
    for (const way of ways) {
      expect((await send(server, { ...way, "x-user-id": "u1" })).status).toBeLessThan(300)
      for (const twice of [["u1", "u2"], ["u1", "u1"], "u1, u2", "u1,u2"]) {
        expect(await send(server, { ...way, "x-user-id": twice })).toEqual(refused)
      }
      const service = { ...way, "service-token": [token, token], "x-user-id": "u1" }
      expect(await send(server, service)).toEqual(refused)
    }
  })

  test("and a queue token or a key that is two is not one of them", async () => {
    await using server = await startServer()
    await openHouse(server.talk)
    const { body } = await server.talk("POST", "/v1/queues/main/token", { user: "ada" })
    for (const way of ways) {
      const ada = { ...way, "x-user-id": "ada" }
      const tokens = { ...ada, "queue-token": [body.token, body.token] }
      expect(await send(server, tokens, { method: "DELETE" })).toEqual({
        status: 401,
        code: "queue_token_invalid"
      })
      expect(await send(server, { ...ada, "idempotency-key": ["k", "k"] })).toEqual({
        status: 400,
        code: "request_invalid"
      })
    }
  })
})
