/** One POST to an endpoint: to a public address, once, without redirects, within its time. */
import { request as httpRequest, type IncomingMessage } from "node:http"
import { request as httpsRequest } from "node:https"
import type { LookupFunction } from "node:net"
import { Effect } from "effect"
import { publicLookup, refusePrivateHost } from "./address.ts"

/** What became of a POST. Whatever went wrong is an answer too: it is to be tried again. */
export interface Answer {
  readonly accepted: boolean
  /** Such as `HTTP 500`, or what the network said. */
  readonly said: string
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

const answerBytesMax = 65_536
const retryAfterMaxMs = 3_600_000

export const post = (options: PostOptions): Effect.Effect<Answer> =>
  Effect.callback<Answer>((resume) => {
    const fail = (error: Error) =>
      resume(Effect.succeed({ accepted: false, said: error.message, retryAfterMs: undefined }))
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
        resume(Effect.succeed(answerOf(response)))
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
          said: `no answer within ${options.timeoutMs} ms`,
          retryAfterMs: undefined
        })
    })
  )

/** The status is the answer. What comes with it is let by, up to a bound. */
const readToEnd = (response: IncomingMessage, done: () => void): void => {
  let bytes = 0
  response.on("data", (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes > answerBytesMax) done()
  })
  response.on("end", done)
  response.on("error", done)
}

const answerOf = ({ statusCode = 0, headers }: IncomingMessage): Answer => {
  const seconds = Number(headers["retry-after"])
  return {
    accepted: statusCode >= 200 && statusCode < 300,
    said: `HTTP ${statusCode}`,
    retryAfterMs: seconds > 0 ? Math.min(seconds * 1_000, retryAfterMaxMs) : undefined
  }
}
