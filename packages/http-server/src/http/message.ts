/** Requests and answers as plain values, whichever server they come and go through. */
import type { Effect } from "effect"

/** By their names in lower case. */
export type RequestHeaders = Readonly<Record<string, string | undefined>>

const identifying = ["Authorization", "X-User-Id", "Service-Token"]

/**
 * Which of the headers that say who is calling came more than once: Node joins some of them to one
 * that nobody sent, and of `Authorization` keeps the first alone, whatever a gateway has looked at.
 */
export const repeatedIn = (rawHeaders: ReadonlyArray<string> = []): string | undefined => {
  let seen = 0
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!
    for (let which = 0; which < identifying.length; which++) {
      const known = identifying[which]!
      if (name.length !== known.length || name.toLowerCase() !== known.toLowerCase()) continue
      if (seen & (1 << which)) return known
      seen |= 1 << which
    }
  }
  return undefined
}

/** A request, as far as a route looks at it. */
export interface RouteRequest {
  readonly headers: RequestHeaders
  /** A header that says who is calling and came more than once. */
  readonly repeated: string | undefined
  /** The variable parts of the path, decoded. */
  readonly params: Readonly<Record<string, string | undefined>>
  /** What follows the question mark of the URL; empty where there is none. */
  readonly search: string
  /** Not known where nobody has said how long it is: there may be nothing in it. */
  readonly hasBody: boolean | "unknown"
  /** The whole body. It can be read once. */
  readonly body: (bytesMax: number) => Effect.Effect<Uint8Array, BodyFault>
}

/** Why there is no body: more of it than was wanted, or an end before its end. */
export type BodyFault = "too large" | "broken off"

/** An answer in full. */
export class RouteResponse {
  readonly status: number
  /** By their names in lower case; its length is not among them. */
  readonly headers: Readonly<Record<string, string>>
  /** Text is sent as UTF-8; bytes are sent as they are, without a copy. */
  readonly body: string | Uint8Array | undefined
  constructor(status: number, headers: RouteResponse["headers"], body: RouteResponse["body"]) {
    this.status = status
    this.headers = headers
    this.body = body
  }
}
