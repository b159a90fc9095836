import { createServer, type RequestListener, type Server } from "node:http"
import type { AddressInfo } from "node:net"
import { exportJWK, generateKeyPair } from "jose"
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest"
import { IdentityUnavailable } from "../src/api/errors.ts"
import { problemOfKeysUrl, publishedKeys } from "../src/http/publishedKeys.ts"

let issuer: Server
let url: URL
let jwk: object
let answer: RequestListener
let readings = 0

beforeAll(async () => {
  jwk = { ...(await exportJWK((await generateKeyPair("ES256")).publicKey)), alg: "ES256" }
  issuer = createServer((request, response) => {
    readings++
    answer(request, response)
  })
  await new Promise<void>((resolve) => issuer.listen(0, "127.0.0.1", resolve))
  url = new URL(`http://127.0.0.1:${(issuer.address() as AddressInfo).port}/`)
})
afterAll(() => {
  issuer.closeAllConnections()
  issuer.close()
})
beforeEach(() => {
  readings = 0
})

const publishing =
  (...kids: ReadonlyArray<string>): RequestListener =>
  (_, response) =>
    response.end(JSON.stringify({ keys: kids.map((kid) => ({ ...jwk, kid })) }))
const away: RequestListener = (_, response) => response.writeHead(500).end()

/** Published keys with a clock that the test sets, in seconds. */
const start = (deadline?: number) => {
  let seconds = 0
  const said: Array<string> = []
  const outage = {
    began: (cause: unknown) => said.push(String(cause)),
    ended: () => said.push("ended")
  }
  const keys = publishedKeys(url, outage, {
    now: () => seconds * 1_000,
    ...(deadline !== undefined && { deadline })
  })
  const find = async (kid: string) => {
    try {
      await keys({ alg: "ES256", kid }, { payload: "", signature: "" })
      return "found"
    } catch (error) {
      return error instanceof IdentityUnavailable ? error.retryAfterSeconds : "none"
    }
  }
  const at = (now: number) => {
    seconds = now
    return find
  }
  return { at, said }
}

describe("keys that an issuer publishes", () => {
  test("are read once for all callers, and again for an unknown key after a pause", async () => {
    answer = publishing("a")
    const { at } = start()
    expect(await Promise.all([at(0)("a"), at(0)("a"), at(0)("b")])).toEqual([
      "found",
      "found",
      "none"
    ])
    answer = publishing("a", "b")
    expect([await at(29)("b"), await at(29)("c"), readings]).toEqual(["none", "none", 1])
    expect([await at(31)("b"), await at(31)("c"), readings]).toEqual(["found", "none", 2])
  })

  test("are used while they are fresh though the issuer is unavailable; then no token can be checked", async () => {
    answer = publishing("a")
    const { at } = start()
    expect(await at(0)("a")).toBe("found")
    answer = away
    // An unknown key may be a new one, so the token is not refused; and not every request reads
    // again.
    expect([await at(31)("b"), await at(33)("b"), readings]).toEqual([5, 3, 2])
    expect([await at(37)("b"), readings]).toEqual([5, 3])
    expect(await at(599)("a")).toBe("found")
    await expect.poll(() => readings).toBe(4)
    expect([await at(605)("a"), await at(606)("a"), readings]).toEqual([5, 4, 5])
    answer = publishing("a")
    expect(await at(611)("a")).toBe("found")
  })

  test("are still good where a later reading finds none", async () => {
    answer = publishing("a")
    const { at, said } = start()
    await at(0)("a")
    answer = publishing()
    expect(await at(301)("a")).toBe("found")
    await expect.poll(() => said.join()).toContain("no keys")
    expect(await at(302)("a")).toBe("found")
  })

  test("are read again before a request has to wait for that", async () => {
    answer = publishing("a")
    const { at } = start()
    await at(0)("a")
    expect(await at(301)("a")).toBe("found")
    await expect.poll(() => readings).toBe(2)
  })

  test.each<[string, RequestListener, RegExp]>([
    ["an error", away, /answered 500/],
    ["a redirection", (_, response) => response.writeHead(302, { location: "/" }).end(), /302/],
    ["a page", (_, response) => response.end("<html>"), /not JSON/],
    ["something else", (_, response) => response.end("{}"), /JSON Web Key Set malformed/],
    ["null", (_, response) => response.end("null"), /JSON Web Key Set malformed/],
    ["no keys", publishing(), /no keys/],
    ["no end", (_, response) => response.end("x".repeat(300_000)), /more than 262144 bytes/],
    ["nothing", () => {}, /timeout/i]
  ])("answered with %s are an outage, and it is told once", async (_, listener, cause) => {
    answer = listener
    const { at, said } = start(200)
    expect([await at(0)("a"), await at(1)("a"), readings]).toEqual([5, 4, 1])
    expect(await at(6)("a")).toBe(5)
    expect(said[0]).toMatch(cause)
    answer = publishing("a")
    expect(await at(12)("a")).toBe("found")
    expect(said.at(-1)).toBe("ended")
  })

  test("that cannot be used are the issuer's fault", async () => {
    answer = (_, response) =>
      response.end(JSON.stringify({ keys: [{ ...jwk, kid: "a", x: "AAAA" }] }))
    const { at, said } = start()
    expect(await at(0)("a")).toBe(1)
    expect(said).toHaveLength(2)
  })
})

test.each([
  ["https://issuer.example/jwks.json", undefined],
  ["http://localhost:8080/jwks.json", undefined],
  ["http://127.1/jwks.json", undefined],
  ["http://[::1]/jwks.json", undefined],
  ["http://issuer.example/jwks.json", "must be an https URL"],
  ["http://127.0.0.1.issuer.example/", "must be an https URL"],
  ["file:///etc/jwks.json", "must be an https URL"],
  ["https://user:secret@issuer.example/", "must have no user"]
])("%s: %s", (url, problem) => {
  const said = problemOfKeysUrl(new URL(url))
  if (problem === undefined) expect(said).toBeUndefined()
  else expect(said).toContain(problem)
})
