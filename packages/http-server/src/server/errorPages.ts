/** A page for each error: the `type` of a problem document is its URL. */
import { Effect } from "effect"
import { RouteUnknown } from "../api/errors.ts"
import { type Problem, problems } from "../api/problem.ts"
import { RouteResponse } from "../http/message.ts"
import type { Route } from "../http/route.ts"

/** The path of the pages; an error's code is appended. */
export const documentationPath = "/docs/errors/"

const rows = Object.values(problems) as unknown as ReadonlyArray<Problem>

const page = (title: string, body: string): string =>
  `<!doctype html><html lang="en"><meta charset="utf-8"><title>${title} · Box Office</title>` +
  `<meta name="viewport" content="width=device-width, initial-scale=1">` +
  `<body style="font: 1rem/1.5 system-ui; max-width: 40rem; margin: 3rem auto; padding: 0 1rem">` +
  `${body}</body></html>`

const code = (text: string): string => text.replaceAll(/`([^`]+)`/g, "<code>$1</code>")

const pages = new Map(
  rows.map((row) => [
    row.code,
    page(
      row.title,
      `<h1>${row.title}</h1><p><code>${row.code}</code>, HTTP ${row.status}</p>` +
        `<p>${code(row.remedy)}</p><p><a href="./">All errors</a> · <a href="../">Reference</a></p>`
    )
  ])
)

const index = page(
  "Errors",
  `<h1>Errors</h1><ul>${rows
    .map((row) => `<li>${row.status} <a href="${row.code}">${row.code}</a>: ${row.title}</li>`)
    .join("")}</ul><p><a href="../">Reference</a></p>`
)

const answer = (html: string) => new RouteResponse(200, { "content-type": "text/html" }, html)

export const errorPages: ReadonlyArray<Route> = [
  {
    method: "GET",
    path: documentationPath,
    streams: false,
    answer: () => Effect.succeed(answer(index))
  },
  {
    method: "GET",
    path: `${documentationPath}:code`,
    streams: false,
    answer: ({ params }, requestContext) => {
      requestContext.route = `${documentationPath}{code}`
      const html = pages.get(params.code ?? "")
      return html === undefined ? Effect.fail(new RouteUnknown()) : Effect.succeed(answer(html))
    }
  }
]
