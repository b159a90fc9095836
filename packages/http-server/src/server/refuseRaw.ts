/**
 * Refuses requests that reach no route: malformed HTTP, and features of HTTP that this server does
 * not support.
 */
import {
  type IncomingMessage,
  type RequestListener,
  type Server,
  ServerResponse,
  STATUS_CODES
} from "node:http"
import type { Duplex } from "node:stream"
import { RequestInvalid } from "@boxoffice/core"
import { newCommandId } from "@boxoffice/core/store"
import { Effect } from "effect"
import { RouteUnknown } from "../api/errors.ts"
import { problemContentType, toProblem } from "../api/problem.ts"
import type { RequestHeaders } from "../http/message.ts"
import { type RequestContext, RequestLifecycle } from "../http/requestContext.ts"

type Refusal = ReturnType<typeof toProblem>

/** Refuses requests that Node itself would refuse without a problem document. */
export const refuseUnroutable = (
  server: Server,
  documentation: string
): Effect.Effect<void, never, RequestLifecycle> =>
  Effect.map(RequestLifecycle, ({ begin, end }) => {
    const refuse = (
      request: IncomingMessage,
      response: ServerResponse,
      refusal: (requestContext: RequestContext["Service"]) => Refusal
    ): void => {
      const requestContext = begin(request.method!, request.headers as RequestHeaders)
      const { status, headers, body } = refusal(requestContext)
      const text = JSON.stringify(body)
      response.writeHead(status, {
        ...headers,
        ...end(requestContext, status),
        "content-type": problemContentType,
        "content-length": Buffer.byteLength(text),
        connection: "close"
      })
      response.end(text)
    }

    for (const event of ["request", "checkContinue"] as const) {
      const others = server.rawListeners(event) as Array<RequestListener>
      server.removeAllListeners(event)
      server.on(event, (request: IncomingMessage, response: ServerResponse) => {
        const fault = faultOfHost(request)
        if (fault !== undefined) {
          refuse(request, response, ({ requestId }) =>
            toProblem(fault, { requestId, documentation })
          )
        } else for (const other of others) other(request, response)
      })
    }
    server.on("checkExpectation", (request, response) =>
      refuse(request, response, ({ requestId }) => plainProblem(...expectation, requestId))
    )
    server.on("connect", (request: IncomingMessage, socket: Duplex) => {
      socket.on("error", () => {})
      // If a response is still pending on this connection, close it: Node throws on a second
      // response.
      if ((lastRequests.get(socket)?.pending ?? 0) > 0) {
        socket.destroy()
        return
      }
      const response = new ServerResponse(request)
      response.assignSocket(socket as never)
      response.on("finish", () => socket.destroy())
      refuse(request, response, ({ requestId }) =>
        toProblem(new RouteUnknown(), { requestId, documentation })
      )
    })
    // The server supports no other protocol, so it handles such a request as plain HTTP.
    server.removeAllListeners("upgrade")
  })

/** Refuses malformed input, unless the client could mistake the refusal for another response. */
export const refuseMalformed = (server: Server, documentation: string): void => {
  for (const event of ["request", "checkContinue", "checkExpectation"] as const) {
    server.prependListener(event, (request: IncomingMessage, response: ServerResponse) => {
      const pending = (lastRequests.get(request.socket)?.pending ?? 0) + 1
      lastRequests.set(request.socket, { request, response, pending })
      response.once("close", () => {
        lastRequests.get(request.socket)!.pending--
      })
    })
  }
  server.on("clientError", (error: Error & { readonly code?: string }, socket) => {
    if (
      error.code === "ECONNRESET" ||
      !socket.writable ||
      !isNextResponse(lastRequests.get(socket))
    ) {
      socket.destroy()
    } else socket.end(refusalOf(error.code, documentation))
  })
}

const lastRequests = new WeakMap<Duplex, LastRequest>()

/** The last request of a connection; kept until the connection is gone. */
interface LastRequest {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** How many requests of the connection have no complete response yet. */
  pending: number
}

/**
 * Whether the next response on a connection belongs to the malformed input. Clients match responses
 * to requests only by their order: a client that sent a payment and malformed input behind it would
 * take the refusal for the response to the payment.
 */
const isNextResponse = (last: LastRequest | undefined): boolean => {
  if (last === undefined) return true
  const { request, response, pending } = last
  // The malformed input is the rest of the last request if that is incomplete, or else a new
  // request.
  return request.complete ? pending === 0 : pending === 1 && !response.headersSent
}

const refusalOf = (code: string | undefined, documentation: string): string => {
  const requestId = newCommandId()
  const known = refusals[code ?? ""]
  const { status, body } = known
    ? plainProblem(...known, requestId)
    : toProblem(malformed, { requestId, documentation })
  const text = JSON.stringify(body)
  return (
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n` +
    `Content-Type: ${problemContentType}\r\nContent-Length: ${Buffer.byteLength(text)}\r\n` +
    `X-Request-Id: ${requestId}\r\nConnection: close\r\n\r\n${text}`
  )
}

const invalid = (path: string, message: string) =>
  new RequestInvalid({ errors: [{ path, message }] })
const malformed = invalid("", "This is not HTTP.")
const hostless = invalid("Host", "expected a Host header, as HTTP/1.1 has one in each request")
const twoHosts = invalid("Host", "expected one Host header")

/** Node uses the first of two Host headers, and a gateway may have checked the second. */
const faultOfHost = ({ headers, rawHeaders, httpVersion }: IncomingMessage) => {
  if (headers.host === undefined) return httpVersion === "1.1" ? hostless : undefined
  let hosts = 0
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!
    if (name.length === 4 && name.toLowerCase() === "host") hosts++
  }
  return hosts > 1 ? twoHosts : undefined
}

type PlainProblem = readonly [status: number, code: string, detail: string]

const refusals: Record<string, PlainProblem> = {
  HPE_HEADER_OVERFLOW: [431, "headers_too_large", "The headers may have at most 16384 bytes."],
  ERR_HTTP_REQUEST_TIMEOUT: [408, "request_timeout", "The request took too long to arrive."]
}

const expectation: PlainProblem = [
  417,
  "expectation_failed",
  "The only thing to expect here is 100-continue."
]

/** A problem without a page of its own: its status says all. */
const plainProblem = (
  status: number,
  code: string,
  detail: string,
  requestId: string
): Refusal => ({
  status,
  headers: {},
  body: { type: "about:blank", title: STATUS_CODES[status], status, detail, code, requestId }
})
