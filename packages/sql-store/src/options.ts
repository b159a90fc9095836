/** Checks the options of a store before it is opened. An error names the option. */
import { checkNames, optionNames } from "@boxoffice/core/store"

const names = [
  "database",
  "schema",
  "migrate",
  "maxConnections",
  "waits",
  "preparedStatements",
  "inTransaction"
] as const

/** Throws a `TypeError` with the name of an option that `openBoxOffice` does not know. */
export const checkOpenOptions = (given: unknown): void => {
  checkNames("the options of openBoxOffice", given, ["database", ...optionNames, ...names.slice(1)])
}

interface Given {
  readonly schema?: unknown
  readonly migrate?: unknown
  readonly preparedStatements?: unknown
  readonly inTransaction?: unknown
}

/** Throws a `TypeError` with the name of a store option of the wrong type. */
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
