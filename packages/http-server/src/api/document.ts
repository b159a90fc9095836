/**
 * Adds to the OpenAPI document what the schemas of the endpoints cannot express: codes and headers.
 */
import { type Problem, problems } from "./problem.ts"

interface Schema {
  readonly $ref?: string
  readonly anyOf?: ReadonlyArray<Schema>
}

interface Response {
  description: string
  headers?: Record<string, object>
  readonly content?: Record<string, { readonly schema: Schema }>
}

interface Operation {
  readonly parameters: ReadonlyArray<{ readonly name: string }>
  readonly responses: Record<string, Response>
}

const text = (description: string) => ({ description, schema: { type: "string" } })
const seconds = (description: string) => ({ description, schema: { type: "integer", minimum: 1 } })

const problemOf = new Map<string, Problem>(
  Object.entries(problems).map(([tag, row]) => [
    `#/components/schemas/${tag}Problem`,
    row as unknown as Problem
  ])
)

/** Describes each error response by its codes, and lists the headers of each response. */
export const describeAnswers = (document: Record<string, unknown>): Record<string, unknown> => {
  const paths = document.paths as Record<string, Record<string, Operation>>
  for (const [path, operations] of Object.entries(paths)) {
    for (const { parameters, responses } of Object.values(operations)) {
      const hasKey = parameters.some(({ name }) => name === "Idempotency-Key")
      for (const [status, response] of Object.entries(responses)) {
        const rows = problemsIn(response)
        if (rows.length > 0) response.description = rows.map(({ code }) => code).join(", ")
        response.headers = {
          "X-Request-Id": text(
            "The X-Request-Id of the request or, if it had none, the id that the server logs for it"
          ),
          ...(hasKey && {
            "Idempotency-Replayed": text(
              "`true` if this is the recorded response of an earlier request"
            )
          }),
          ...(rows.some(({ retryAfter }) => retryAfter) && {
            "Retry-After": seconds("How long to wait before trying again, in seconds")
          }),
          ...(status === "201" &&
            hasLocation(path) && {
              Location: text("The path of the created resource")
            }),
          ...(path.endsWith("/seats") &&
            /^[23]/.test(status) &&
            hasTag(parameters) && {
              ETag: text("Version of the seat map: send it as If-None-Match")
            })
        }
      }
    }
  }
  return document
}

const problemsIn = ({ content }: Response): ReadonlyArray<Problem> => {
  const schema = content?.["application/problem+json"]?.schema
  return (schema?.anyOf ?? (schema ? [schema] : [])).flatMap(({ $ref = "" }) => {
    const row = problemOf.get($ref)
    return row ? [row] : []
  })
}

const hasLocation = (path: string): boolean =>
  path === "/v1/reservations" || /^\/v1\/admin\/(queues|shows|.*\/performances)$/.test(path)

const hasTag = (parameters: Operation["parameters"]): boolean =>
  parameters.some(({ name }) => name === "If-None-Match")
