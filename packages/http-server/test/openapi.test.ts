import { OpenApi } from "effect/http-api"
import { expect, test } from "vitest"
import { Api } from "../src/api.ts"

// The routes and codes of the API's contract.
const routes = `
POST   /v1/queues/{queueId}/token 201 200
GET    /v1/queues/{queueId}/token 200
GET    /v1/queues/{queueId}/token/events 200
DELETE /v1/queues/{queueId}/token 204
GET    /v1/queues/{queueId} 200
GET    /v1/shows/{showId}/dates 200
GET    /v1/performances/{performanceId}/seats 200 304
POST   /v1/reservations 201
POST   /v1/wallet/charges 201
GET    /v1/wallet 200
POST   /v1/payments 201
GET    /v1/shows 200
GET    /v1/shows/{showId} 200
GET    /v1/reservations 200
GET    /v1/reservations/{reservationId} 200
DELETE /v1/reservations/{reservationId} 204
GET    /v1/wallet/entries 200
GET    /livez 200
GET    /readyz 200
GET    /metrics 200
`
const codes = `
400 request_invalid idempotency_key_required
401 identity_required queue_token_required queue_token_invalid
403 queue_token_wrong_queue queue_token_waiting queue_token_expired
404 show_not_found performance_not_found seat_not_found reservation_not_found queue_not_found
409 seat_unavailable reservation_not_payable queue_closed
410 hold_expired
402 insufficient_balance
422 idempotency_key_reused limit_exceeded currency_mismatch
413 body_too_large
415 unsupported_media_type
429 overloaded
503 store_unavailable identity_unavailable
`
const lines = (text: string) =>
  text
    .trim()
    .split("\n")
    .map((line) => line.split(/ +/))

// biome-ignore lint/suspicious/noExplicitAny: a JSON document
const document = OpenApi.fromApi(Api) as any

test("every route is documented, with each status of its success", () => {
  expect(document.openapi).toMatch(/^3\.1\./)
  for (const [method, path, ...statuses] of lines(routes)) {
    const operation = document.paths[path!]?.[method!.toLowerCase()]
    expect([method, path, Object.keys(operation?.responses ?? {})]).toEqual([
      method,
      path,
      expect.arrayContaining(statuses)
    ])
  }
  const documented = Object.entries<object>(document.paths).flatMap(([path, item]) =>
    path.startsWith("/v1/admin") ? [] : Object.keys(item).map(() => path)
  )
  expect(documented).toHaveLength(lines(routes).length)
})

test("every error is documented under its status, as a problem", () => {
  const found = new Map<string, Set<string>>()
  for (const item of Object.values<Record<string, { responses: object }>>(document.paths)) {
    for (const { responses } of Object.values(item)) {
      // biome-ignore lint/suspicious/noExplicitAny: a JSON document
      for (const [status, response] of Object.entries<any>(responses)) {
        const schema = response.content?.["application/problem+json"]?.schema
        for (const { $ref } of schema?.anyOf ?? (schema ? [schema] : [])) {
          const { properties } = document.components.schemas[$ref.split("/").at(-1)]
          expect(properties.status.enum).toEqual([Number(status)])
          const codes = found.get(status) ?? new Set()
          found.set(status, codes.add(properties.code.enum[0]))
        }
      }
    }
  }
  for (const [status, ...expected] of lines(codes)) {
    expect([status, ...(found.get(status!) ?? [])]).toEqual(
      expect.arrayContaining([status, ...expected])
    )
  }
})

test("answers are documented with their codes and headers", () => {
  const { responses } = document.paths["/v1/payments"].post
  expect(responses[402].description).toBe("insufficient_balance")
  expect(Object.keys(responses[429].headers)).toContain("Retry-After")
  expect(Object.keys(responses[201].headers)).toContain("Idempotency-Replayed")
  const seats = document.paths["/v1/performances/{performanceId}/seats"].get
  expect(Object.keys(seats.responses[304].headers)).toContain("ETag")
  const hold = document.paths["/v1/reservations"].post
  expect(Object.keys(hold.responses[201].headers)).toContain("Location")
})

test("the required identity of each route is documented", () => {
  const { post } = document.paths["/v1/payments"]
  expect(post.security).toEqual([{ userId: [] }, { jwt: [] }])
  const required = post.parameters.map((p: { name: string; required: boolean }) => [
    p.name,
    p.required
  ])
  expect(required).toEqual([
    ["Queue-Token", true],
    ["Idempotency-Key", true]
  ])
  expect(document.paths["/v1/admin/queues"].post.security).toEqual([{ adminToken: [] }])
  expect(document.components.securitySchemes.userId).toEqual({
    type: "apiKey",
    in: "header",
    name: "X-User-Id"
  })
})
