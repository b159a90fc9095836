/** Encodes the result of a handler by the schema that its endpoint declares for the status. */
import { Schema, SchemaAST } from "effect"
import { type HttpApiEndpoint, HttpApiSchema } from "effect/http-api"
import { RouteResponse } from "./message.ts"

/** The result of a handler with a status, headers, or a shared body; a plain result has none. */
export class Reply<A> {
  readonly body: A
  readonly options: {
    readonly status?: number
    readonly headers?: Readonly<Record<string, string>>
    /** Many requests get the same body object: it is encoded once, and its bytes are reused. */
    readonly shared?: boolean
  }
  constructor(body: A, options: Reply<A>["options"]) {
    this.body = body
    this.options = options
  }
}

const utf8 = new TextEncoder()

export const responseEncoder = (
  endpoint: HttpApiEndpoint.Top,
  /** Encodes a body in place of the schema, if that is too slow. It must give the same text. */
  toJson?: (body: never) => string
) => {
  const encoders = new Map(
    Array.from(endpoint.success, (schema): [number, ((body: unknown) => unknown) | undefined] => [
      statusOf(schema),
      HttpApiSchema.isNoContent(schema.ast)
        ? undefined
        : Schema.encodeUnknownSync(schema as unknown as Schema.Codec<unknown>)
    ])
  )
  const [usual] = Array.from(endpoint.success, statusOf)
  const written = new WeakMap<object, Uint8Array>()
  const writeOnce = (body: object, write: () => string): Uint8Array => {
    const bytes = written.get(body) ?? utf8.encode(write())
    written.set(body, bytes)
    return bytes
  }
  return (answer: unknown): RouteResponse => {
    const reply: Reply<unknown> = answer instanceof Reply ? answer : new Reply(answer, {})
    const { status = usual!, headers, shared } = reply.options
    if (!encoders.has(status)) throw new Error(`${endpoint.identifier} has no status ${status}`)
    const encode = encoders.get(status)
    if (encode === undefined)
      return new RouteResponse(status, { ...noStore, ...headers }, undefined)
    const write = () => (toJson ? toJson(reply.body as never) : JSON.stringify(encode(reply.body)))
    const body = shared ? writeOnce(reply.body as object, write) : write()
    return new RouteResponse(status, headers === undefined ? json : { ...json, ...headers }, body)
  }
}

// The annotation is on the schema or on its context, depending on what the schema was annotated
// for.
const statusIn = SchemaAST.resolveAt<number>("httpApiStatus")
const statusOf = ({ ast }: Schema.Top): number =>
  statusIn(ast) ?? (ast.context?.annotations?.httpApiStatus as number | undefined) ?? 200

const noStore = { "cache-control": "no-store" }
const json = { ...noStore, "content-type": "application/json" }
