/** One POST to an endpoint: to a public address, without redirects, within its time limit. */
import { request as httpRequest, type IncomingMessage } from "node:http"
import { request as httpsRequest } from "node:https"
import type { LookupFunction } from "node:net"
import { longestDelayMs } from "@boxoffice/core/store"
import { Effect } from "effect"
import { publicLookup, refusePrivateHost } from "./address.ts"

/** The result of a POST. A failure is a result as well: the delivery is tried again. */
export interface PostResult {
  readonly accepted: boolean
  /** Such as `HTTP 500`, or the message of a network error. */
  readonly summary: string
  /** The delay that the endpoint requests by Retry-After, in milliseconds. */
  readonly retryAfterMs: number | undefined
}

export interface PostOptions {
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  /** For the whole request, from the name lookup to the end of the response. */
  readonly timeoutMs: number
  /** Allows addresses that are not public. */
  readonly allowPrivate: boolean
  readonly lookup?: LookupFunction | undefined
}

const responseBytesMax = 65_536

export const post = (options: PostOptions): Effect.Effect<PostResult> =>
  Effect.callback<PostResult>((resume) => {
    const fail = (error: Error) =>
      resume(Effect.succeed({ accepted: false, summary: error.message, retryAfterMs: undefined }))
    try {
      // Guard webhook-private: without it, webhooks.test "is not gone to" fails.
      if (!options.allowPrivate) refusePrivateHost(options.url.hostname)
    } catch (error) {
      return fail(error as Error)
    }
    const send = options.url.protocol === "https:" ? httpsRequest : httpRequest
    const request = send(options.url, {
      method: "POST",
      headers: { ...options.headers, "content-length": Buffer.byteLength(options.body) },
      // A new connection for each POST: a kept one could go to an address that the name has left.
      agent: false,
      // Guard webhook-lookup: with "undefined" for "publicLookup()", webhooks.test "is not gone to" fails.
      lookup: options.lookup ?? (options.allowPrivate ? undefined : publicLookup())
    })
    request.on("error", fail)
    request.on("response", (response) =>
      readToEnd(response, () => {
        resume(Effect.succeed(resultOf(response)))
        request.destroy()
      })
    )
    request.end(options.body)
    return Effect.sync(() => request.destroy())
  }).pipe(
    // Guard webhook-deadline: without it, webhooks.test "ends within its time" fails.
    Effect.timeoutOrElse({
      duration: options.timeoutMs,
      orElse: () =>
        Effect.succeed({
          accepted: false,
          summary: `no answer within ${options.timeoutMs} ms`,
          retryAfterMs: undefined
        })
    })
  )

/** Discards the body, up to a limit: the result depends on the status alone. */
const readToEnd = (response: IncomingMessage, done: () => void): void => {
  let bytes = 0
  response.on("data", (chunk: Buffer) => {
    bytes += chunk.length
    // Guard webhook-answer: without it, webhooks.test "reads no more of the answer" fails.
    if (bytes > responseBytesMax) done()
  })
  response.on("end", done)
  response.on("error", done)
}

const resultOf = ({ statusCode = 0, headers }: IncomingMessage): PostResult => {
  return {
    accepted: statusCode >= 200 && statusCode < 300,
    summary: `HTTP ${statusCode}`,
    retryAfterMs: retryAfterMs(headers["retry-after"], Date.now())
  }
}

// The date formats of RFC 9110, section 5.6.7: the current one and two obsolete ones.
const dateForms = [
  /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/,
  /^[A-Z][a-z]{5,8}, \d{2}-[A-Z][a-z]{2}-\d{2} \d{2}:\d{2}:\d{2} GMT$/,
  /^[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d{2}:\d{2}:\d{2} \d{4}$/
]

/** The delay of a Retry-After header: in seconds, or until a date (RFC 9110, 10.2.3). */
export const retryAfterMs = (header: string | undefined, now: number): number | undefined => {
  if (header === undefined) return undefined
  if (/^\d+$/.test(header)) return bounded(Number(header) * 1_000)
  const form = dateForms.findIndex((form) => form.test(header))
  if (form < 0) return undefined
  // The last format names no time zone; it is GMT as well.
  const until = Date.parse(form === 2 ? `${header} GMT` : header)
  return Number.isNaN(until) ? undefined : bounded(until - now)
}

const bounded = (milliseconds: number): number | undefined =>
  // Guard webhook-retry-after: with "milliseconds" for "Math.min(…DelayMs)", webhooks.test "asks for a pause" fails.
  milliseconds > 0 ? Math.min(milliseconds, longestDelayMs) : undefined
