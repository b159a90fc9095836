/**
 * The reference: Node's own HTTP server, which parses the JSON body of a request, if any, and
 * responds: to `POST` with the given JSON, to `GET` with the given bytes, and to `If-None-Match`
 * with an empty 304.
 */
import { createServer } from "node:http"

/** The message of the parent process: the responses to send. */
export interface BareAnswers {
  readonly post: unknown
  readonly get: string
}

process.on("message", ({ post, get }: BareAnswers) => {
  const bytes = Buffer.from(get)
  const server = createServer((request, response) => {
    if (request.method === "GET") {
      if (request.headers["if-none-match"] !== undefined) {
        response.writeHead(304, { etag: '"1"' })
        response.end()
        return
      }
      response.writeHead(200, {
        "content-type": "application/json",
        "content-length": bytes.length
      })
      response.end(bytes)
      return
    }
    let body = ""
    request.setEncoding("utf8")
    request.on("data", (chunk) => {
      body += chunk
    })
    request.on("end", () => {
      if (body !== "") JSON.parse(body)
      const text = Buffer.from(JSON.stringify(post))
      response.writeHead(201, {
        "content-type": "application/json",
        "content-length": text.length
      })
      response.end(text)
    })
  })
  server.listen(0, "127.0.0.1", () => {
    process.send!((server.address() as { readonly port: number }).port)
  })
})
