import * as core from "@boxoffice/core"
import { Schema } from "effect"
import { describe, expect, test } from "vitest"
import { type Problem, problems } from "../../packages/http-server/src/api/problem.ts"
import { codeBlocks, pages, readPage, tableBehind } from "./markdown.ts"

const table = Object.entries(problems as unknown as Readonly<Record<string, Problem>>)
const index = "docs/errors/README.md"

test("there is a page for each code, and no other", () => {
  const documented = pages.filter((page) => page.startsWith("docs/errors/") && page !== index)
  expect(documented).toEqual(table.map(([, { code }]) => `docs/errors/${code}.md`).sort())
})

/** What keeps an engine from being made, what stops a consumer of events, and what it refuses. */
const answersNoRequest = new Set([
  "SigningKeysInvalid",
  "PoliciesInvalid",
  "ConsumerMisplaced",
  "EventsUnreadable",
  "WebhookRefused"
])

test("every error of core has a code that the server knows", () => {
  const codes = Object.entries(core as Readonly<Record<string, unknown>>)
    .filter(([, value]) => value instanceof Function && value.prototype instanceof Error)
    .map(([tag]) => tag)
    .filter((tag) => !answersNoRequest.has(tag))
    // Nor has a request a transaction of the host's.
    .filter((tag) => !tag.startsWith("HostTransaction"))
  expect(table.map(([tag]) => tag)).toEqual(expect.arrayContaining(codes))
})

test("the index lists the codes in order of precedence", () => {
  const listed = tableBehind(index, "# Errors").map(([link, status]) => [link, status])
  expect(listed).toEqual(
    table.map(([, { code, status }]) => [`[\`${code}\`](${code}.md)`, String(status)])
  )
})

test.each(pages.filter((page) => readPage(page).includes("\n## Errors, in order\n")))(
  "%s lists its errors in the same order",
  (page) => {
    const order = table.map(([, { code }]) => code)
    const listed = tableBehind(page, "## Errors, in order").map(
      ([, link]) => link!.match(/`(\w+)`/)![1]!
    )
    expect(listed).toEqual(order.filter((code) => listed.includes(code)))
  }
)

describe.each(table.map(([tag, problem]) => ({ tag, problem, code: problem.code })))(
  "$code",
  ({ tag, problem, code }) => {
    const page = `docs/errors/${code}.md`
    const facts = new Map(tableBehind(page, `# \`${code}\``).map(([key, value]) => [key, value!]))
    const example = JSON.parse(
      codeBlocks(page).find(({ info }) => info === "problem")?.text ?? "null"
    )

    test("says the status, the tag and the header", () => {
      expect(facts.get("status")).toMatch(new RegExp(`^${problem.status} `))
      expect(facts.get("in the SDK")).toBe(
        tag in core ? `\`${tag}\`` : `\`${tag}\`, of the HTTP client alone`
      )
      expect(facts.get("header")).toBe(headerOf(code, problem))
    })

    test("shows an answer as the server gives it", () => {
      const { type, title, status, detail, requestId, ...rest } = example
      expect({ title, status }).toEqual({ title: problem.title, status: problem.status })
      expect(type).toMatch(new RegExp(`/${code}$`))
      expect(requestId).toEqual(expect.any(String))
      const error = Schema.decodeUnknownSync(problem.schema)(example, {
        onExcessProperty: "error"
      })
      expect({ code, ...problem.encodeFields(error) }).toEqual(rest)
      // The text of these is not in what a client reads.
      if (code === "store_unavailable" || code === "policy_failed")
        expect(detail).toBe(problem.remedy)
      else if (code !== "identity_required") expect(detail).toBe(error.message)
    })

    test("explains each field", () => {
      const { type, title, status, detail, requestId, code: _code, ...fields } = example
      const explained = readPage(page).includes("\n## Fields\n")
        ? tableBehind(page, "## Fields").map(([name, type]) => ({
            name: name!.replaceAll("`", ""),
            isOptional: type!.endsWith(", optional")
          }))
        : []
      const inExample = Object.keys(fields)
      expect(
        explained.filter(({ name, isOptional }) => !isOptional || name in fields).map((f) => f.name)
      ).toEqual(inExample)
      // What this example leaves out is a field all the same.
      const optional = explained.flatMap(({ name, isOptional }) => (isOptional ? [name] : []))
      const error = (core as Readonly<Record<string, unknown>>)[tag]
      const known = Object.keys((error as { readonly fields?: object } | undefined)?.fields ?? {})
      expect(known).toEqual(expect.arrayContaining(optional))
    })
  }
)

const headerOf = (code: string, problem: Problem): string | undefined => {
  if (problem.retryAfter) return "`Retry-After`"
  if (code === "method_not_allowed") return "`Allow`"
  return problem.headers && "www-authenticate" in problem.headers ? "`WWW-Authenticate`" : undefined
}
