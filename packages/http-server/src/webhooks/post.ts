/** One POST to an endpoint: to a public address, once, without redirects, within its time. */
import { request as httpRequest, type IncomingMessage } from "node:http"
import { request as httpsRequest } from "node:https"
import type { LookupFunction } from "node:net"
import { Effect } from "effect"
import { publicLookup, refusePrivateHost } from "./address.ts"

/** What became of a POST. Whatever went wrong is an answer too: it is to be tried again. */
export interface PostResult {
  readonly accepted: boolean
  /** Such as `HTTP 500`, or what the network said. */
  readonly summary: string
  /** How long the endpoint asks to be left alone, in milliseconds. */
  readonly retryAfterMs: number | undefined
}

export interface PostOptions {
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  /** For all of it, from looking the name up to the end of the answer. */
  readonly timeoutMs: number
  /** Lets it go to addresses that are not public. */
  readonly allowPrivate: boolean
  readonly lookup?: LookupFunction | undefined
}

const responseBytesMax = 65_536
const retryAfterMaxMs = 3_600_000

export const post = (options: PostOptions): Effect.Effect<PostResult> =>
  Effect.callback<PostResult>((resume) => {
    const fail = (error: Error) =>
      resume(Effect.succeed({ accepted: false, summary: error.message, retryAfterMs: undefined }))
    try {
      if (!options.allowPrivate) refusePrivateHost(options.url.hostname)
    } catch (error) {
      return fail(error as Error)
    }
    const send = options.url.protocol === "https:" ? httpsRequest : httpRequest
    const request = send(options.url, {
      method: "POST",
      headers: { ...options.headers, "content-length": Buffer.byteLength(options.body) },
      // A connection of its own: none is left over that leads where a name no longer does.
      agent: false,
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

/** The status is the answer. What comes with it is let by, up to a bound. */
const readToEnd = (response: IncomingMessage, done: () => void): void => {
  let bytes = 0
  response.on("data", (chunk: Buffer) => {
    bytes += chunk.length
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

// The forms of a date that RFC 9110 has, section 5.6.7: this one, and two that are obsolete.
const dateForms = [
  /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/,
  /^[A-Z][a-z]{5,8}, \d{2}-[A-Z][a-z]{2}-\d{2} \d{2}:\d{2}:\d{2} GMT$/,
  /^[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d{2}:\d{2}:\d{2} \d{4}$/
]

/** How long an endpoint asks to be left alone: in seconds, or until a date (RFC 9110, 10.2.3). */
export const retryAfterMs = (header: string | undefined, now: number): number | undefined => {
  if (header === undefined) return undefined
  if (/^\d+$/.test(header)) return bounded(Number(header) * 1_000)
  const form = dateForms.findIndex((form) => form.test(header))
  if (form < 0) return undefined
  // The last form names no zone, and means the same one.
  const until = Date.parse(form === 2 ? `${header} GMT` : header)
  return Number.isNaN(until) ? undefined : bounded(until - now)
}

const bounded = (milliseconds: number): number | undefined =>
  milliseconds > 0 ? Math.min(milliseconds, retryAfterMaxMs) : undefined
