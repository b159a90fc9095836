import type { GatedOperation } from "@boxoffice/core"
import type { UserId } from "@boxoffice/core/schema"
import { Effect, Fiber, Redacted } from "effect"
import { TestClock } from "effect/testing"
import { afterEach, expect, test } from "vitest"
import { allowCharge } from "../src/http/charges.ts"
import {
  adminToken,
  openHouse,
  startServer,
  type TestServer,
  type TestServerOptions
} from "./support.ts"

// The server collects no payment for charges: the operator configures which callers may charge.

let server: TestServer | undefined
afterEach(() => server?.stop())

const serviceToken = "a token of the payment service"

const serve = async (
  routes: NonNullable<TestServerOptions["routes"]>,
  gate: ReadonlyArray<GatedOperation> = []
) => {
  server = await startServer({ routes, policies: { gate } })
  await openHouse(server.talk)
  let keys = 0
  const charge = (headers: Record<string, string>) =>
    server!.talk("POST", "/v1/wallet/charges", {
      headers: { "idempotency-key": `key-${keys++}`, ...headers },
      json: { amount: 500, currency: "KRW" }
    })
  const balanceOf = async (userId: string) =>
    (await server!.talk("GET", "/v1/wallet", { headers: { "x-user-id": userId } })).body.balance
      .amount
  return { charge, balanceOf }
}

test("with `user`, any user charges their own wallet", async () => {
  const { charge, balanceOf } = await serve({ charges: "user" })
  expect((await charge({ "x-user-id": "ada" })).status).toBe(201)
  expect(await balanceOf("ada")).toBe(500)
})

test("with `operator`, only the operator's own services do, for the user that they name", async () => {
  // The service has no queue token.
  const { charge, balanceOf } = await serve({ charges: "operator", serviceToken }, ["charge"])
  for (const headers of [
    {},
    { authorization: "Bearer wrong" },
    { "service-token": "wrong" }
  ] as Array<Record<string, string>>) {
    const refused = await charge({ "x-user-id": "ada", ...headers })
    expect([refused.status, refused.body.code]).toEqual([403, "charge_not_allowed"])
  }
  expect((await charge({ authorization: `Bearer ${serviceToken}` })).body.code).toBe(
    "identity_required"
  )
  for (const headers of [
    { authorization: `Bearer ${serviceToken}` },
    { authorization: `Bearer ${adminToken}` },
    { "service-token": serviceToken }
  ] as Array<Record<string, string>>) {
    expect((await charge({ "x-user-id": "ada", ...headers })).status).toBe(201)
  }
  expect(await balanceOf("ada")).toBe(1_500)
})

test("without a service token no caller is a service, whatever is sent as one", async () => {
  const { charge } = await serve({ charges: "operator" })
  for (const headers of [{}, { "service-token": "any" }] as Array<Record<string, string>>) {
    const refused = await charge({ "x-user-id": "ada", ...headers })
    expect([refused.status, refused.body.code]).toEqual([403, "charge_not_allowed"])
  }
})

test("on any other route the service is nobody: it speaks for no user there", async () => {
  const secret = Redacted.make("a secret of at least thirty-two bytes")
  await serve({
    charges: "operator",
    serviceToken,
    identity: { mode: "jwt", keys: { secret } }
  })
  const headers = { "service-token": serviceToken, "x-user-id": "ada" }
  const answer = await server!.talk("GET", "/v1/wallet", { headers })
  expect([answer.status, answer.body.code]).toEqual([401, "identity_required"])
})

test("a function of the host's decides for each charge, and where it fails nothing is charged", async () => {
  const asked: Array<string> = []
  const { charge, balanceOf } = await serve({
    charges: async ({ userId, amount, currency, headers }) => {
      asked.push(`${userId} ${amount} ${currency} ${headers["x-paid"]}`)
      if (headers["x-paid"] === "broken") throw new Error("the payment service is away")
      return headers["x-paid"] === "maybe" ? (1 as never) : headers["x-paid"] === "yes"
    }
  })
  const answerOf = async (paid: string) => {
    const { status, body } = await charge({ "x-user-id": "ada", "x-paid": paid })
    return [status, body.code, body.policy]
  }
  expect(await answerOf("yes")).toEqual([201, undefined, undefined])
  expect(await answerOf("no")).toEqual([403, "charge_not_allowed", undefined])
  expect(await answerOf("broken")).toEqual([500, "policy_failed", "charges"])
  expect(await answerOf("maybe")).toEqual([500, "policy_failed", "charges"])
  expect(asked[0]).toBe("ada 500 KRW yes")
  expect(await balanceOf("ada")).toBe(500)
  const logged = server!.logs.map(({ text }) => text).join("\n")
  expect(logged).toContain("the payment service is away")
  expect(logged).toContain("gave number, and not true or false")
})

test("a function that throws before it gives a promise, or never answers, is no different", async () => {
  const asking = (charges: () => Promise<boolean>) =>
    Effect.gen(function* () {
      const charge = { userId: "ada" as UserId, amount: 1n, currency: "KRW", headers: {} }
      const fiber = yield* Effect.forkChild(Effect.result(allowCharge(charges, charge, false)))
      yield* TestClock.adjust("10 seconds")
      return yield* Fiber.join(fiber)
    }).pipe(Effect.provide(TestClock.layer()), Effect.runPromise)
  const faulty = [
    () => {
      throw new Error("misspelt")
    },
    () => new Promise<boolean>(() => {})
  ]
  for (const charges of faulty) {
    expect(await asking(charges)).toMatchObject({ failure: { code: "policy_failed" } })
  }
})

test("two X-User-Id make no third user, and one that is not UTF-8 names no user", async () => {
  const { charge } = await serve({ charges: "user" })
  expect((await charge({ "x-user-id": "u1, u2" })).body.code).toBe("identity_required")
  expect((await charge({ "x-user-id": "\u00e9" })).body.code).toBe("identity_required")
  const utf8 = Buffer.from("홍길동", "utf8").toString("latin1")
  expect((await charge({ "x-user-id": utf8 })).status).toBe(201)
})
