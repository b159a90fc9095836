/** Requests and responses as plain values, independent of the server that reads and writes them. */
import type { Effect } from "effect"

/** Headers, with lower-case names. */
export type RequestHeaders = Readonly<Record<string, string | undefined>>

const identifying = ["Authorization", "X-User-Id", "Service-Token"]

/**
 * The first identifying header that came more than once. Node joins the values of some headers into
 * one that no client sent, and keeps only the first `Authorization`; a gateway may have checked
 * another one. So a request with a repeated identifying header is refused.
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

/** The parts of a request that a route reads. */
export interface RouteRequest {
  readonly headers: RequestHeaders
  /** An identifying header that came more than once. */
  readonly repeated: string | undefined
  /** The variable parts of the path, decoded. */
  readonly params: Readonly<Record<string, string | undefined>>
  /** The query of the URL, without its question mark; empty if the URL has none. */
  readonly search: string
  /** `unknown` if the request declares no length: its body may be empty. */
  readonly hasBody: boolean | "unknown"
  /** Reads the whole body; it can be read once. */
  readonly body: (bytesMax: number) => Effect.Effect<Uint8Array, BodyFault>
}

/** Why the body could not be read: it is above the limit, or the connection broke off. */
export type BodyFault = "too large" | "broken off"

/** A complete response. */
export class RouteResponse {
  readonly status: number
  /** With lower-case names, and without the content length. */
  readonly headers: Readonly<Record<string, string>>
  /** A text is sent as UTF-8; bytes are sent as they are, without a copy. */
  readonly body: string | Uint8Array | undefined
  constructor(status: number, headers: RouteResponse["headers"], body: RouteResponse["body"]) {
    this.status = status
    this.headers = headers
    this.body = body
  }
}
