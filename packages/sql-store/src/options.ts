/** The options of a store, looked at before it is opened: a mistake is told by the name of the option. */
import { optionNames } from "@boxoffice/core"
import { checkNames } from "@boxoffice/core/store"

const names = [
  "database",
  "schema",
  "migrate",
  "maxConnections",
  "waits",
  "preparedStatements",
  "inTransaction"
] as const

/** Throws a `TypeError` that names the option which is not known to `openBoxOffice`. */
export const checkOpenOptions = (given: unknown): void => {
  checkNames("the options of openBoxOffice", given, ["database", ...optionNames, ...names.slice(1)])
}

interface Given {
  readonly schema?: unknown
  readonly migrate?: unknown
  readonly preparedStatements?: unknown
  readonly inTransaction?: unknown
}

/** Throws a `TypeError` that names the option of a store which cannot be meant. */
export const checkStoreOptions = (options: Given): void => {
  const kinds = [
    ["schema", "string", 'a text, such as "boxoffice"'],
    ["migrate", "boolean", "true or false"],
    ["preparedStatements", "boolean", "true or false"],
    ["inTransaction", "function", "a function that gives statements"]
  ] as const
  for (const [name, kind, expected] of kinds) {
    const value = options[name]
    if (value === undefined || typeof value === kind) continue
    throw new TypeError(`${name}: expected ${expected}, not ${shown(value)}.`)
  }
}

const shown = (value: unknown): string => {
  if (typeof value === "string") return JSON.stringify(value.slice(0, 40))
  return typeof value === "object" && value !== null ? "an object" : String(value).slice(0, 40)
}
