/**
 * Checks of the setting `database`: a mistake in it is not an outage, and the store reports it as
 * such.
 */
import { Schema } from "effect"
import type { SqlError } from "effect/sql/SqlError"
import { sqlState } from "../sqlFailure.ts"

/** The setting `database` is wrong, and waiting does not change that. No connection was opened. */
export class DatabaseInvalid extends Schema.TaggedError<DatabaseInvalid>()("DatabaseInvalid", {
  /** The name of the setting. */
  setting: Schema.String,
  /** What it was set to, without a password. */
  value: Schema.String,
  /** What is wrong, and what to set instead. */
  problem: Schema.String
}) {
  override get message() {
    return `The setting \`${this.setting}\` is ${this.value}: ${this.problem}`
  }
}

const example = "postgres://user:password@host:5432/name"
const sslModes = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]

/** The problem of a Postgres URL, or undefined if it has none. The text never repeats the URL. */
export const urlProblem = (text: string): string | undefined => {
  const url = URL.parse(text)
  if (url === null || !/^\s*postgres(ql)?:\/\//i.test(text)) {
    return `expected ${example}, with %40 for an @ in the password, and so on.`
  }
  const parts = { user: url.username, password: url.password, host: url.hostname }
  for (const [name, part] of Object.entries({ ...parts, database: url.pathname })) {
    if (!isDecodable(part)) return `the ${name} has a % that begins no code: write %25 for it.`
  }
  const { searchParams } = url
  const ports = [url.port, searchParams.get("port")].filter((port) => port)
  if (ports.some((port) => !isWhole(port!, 1, 65_535))) {
    return "expected a port from 1 to 65535."
  }
  if (!sslModes.includes(searchParams.get("sslmode") ?? "prefer")) {
    return `expected an sslmode of ${sslModes.join(", ")}.`
  }
  return isWhole(searchParams.get("connect_timeout") ?? "0", 0, 2_147_483)
    ? undefined
    : "expected a connect_timeout in whole seconds."
}

/** The error for a URL that has a problem. */
export const invalidUrl = (setting: string, url: unknown): DatabaseInvalid | undefined => {
  const problem = typeof url === "string" ? urlProblem(url) : `expected ${example}.`
  if (problem === undefined) return undefined
  return new DatabaseInvalid({ setting, value: shown(url), problem })
}

const expected =
  "expected postgres://user:password@host:5432/name, pglite, pglite:./data, a Pool of pg, or what Host makes of another driver's."

/** The error for a value that is none of the forms that `database` can have. */
export const invalidDatabase = (database: unknown): DatabaseInvalid =>
  new DatabaseInvalid({ setting: "database", value: shown(database), problem: expected })

/** Whether the import failed because PGlite, an optional peer dependency, is not installed. */
export const isPgliteMissing = (error: unknown): boolean => {
  const { code, message } = error as { readonly code?: unknown; readonly message?: unknown }
  return code === "ERR_MODULE_NOT_FOUND" && String(message).includes("'@electric-sql/pglite'")
}

/** The error if `database` asks for PGlite and it is not installed. */
export const missingPglite = (database: string): DatabaseInvalid =>
  new DatabaseInvalid({
    setting: "database",
    value: shown(database),
    problem:
      "Postgres in process is the package @electric-sql/pglite, which is not installed here. " +
      "Install it (npm install @electric-sql/pglite), or give the URL of a Postgres."
  })

/**
 * The error if the server was reached and refuses the setting, given by a URL or by a host's pool.
 * `value` is the part that a log may show.
 */
export const refusedSetting = (
  setting: string,
  value: string,
  error: SqlError
): DatabaseInvalid | undefined => {
  const problem = refusals[sqlState(error) ?? ""] ?? tlsProblem(error)
  return problem === undefined ? undefined : new DatabaseInvalid({ setting, value, problem })
}

const user = "the server refuses this user: check user and password."
const refusals: Readonly<Record<string, string>> = {
  "28000": user,
  "28P01": user,
  "3D000": "the server has no database of this name: check it, or create the database first."
}

/** The problem with TLS, or undefined if there is none. Neither side resolves it by itself. */
const tlsProblem = (error: unknown, depth = 0): string | undefined => {
  if (typeof error !== "object" || error === null || depth > 6) return undefined
  const { code, message, cause, reason } = error as Readonly<Record<string, unknown>>
  if (/does not support (SSL|TLS)/.test(String(message))) {
    return "it asks for TLS, and the server has none: set `sslmode` to prefer or disable (of a pool, `ssl` to false), or turn TLS on at the server."
  }
  if (typeof code === "string" && untrusted.test(code)) {
    return `the server's certificate is not trusted (${code}): give its authority to Node by NODE_EXTRA_CA_CERTS, and connect by the name that it was made for.`
  }
  return tlsProblem(cause, depth + 1) ?? tlsProblem(reason, depth + 1)
}
const untrusted =
  /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_\w+|ERR_TLS_CERT_ALTNAME_INVALID)$/

/**
 * The part of a value that a log may show. In a malformed URL a password can be anywhere: only the
 * part behind the last @ is safe, or a text without a character that could introduce a password.
 */
export const shown = (value: unknown): string => {
  if (typeof value !== "string") return nameOf(value)
  const [scheme = ""] = /^\w+:\/\//.exec(value) ?? []
  const at = value.lastIndexOf("@")
  const rest = (at < 0 ? value.slice(scheme.length) : value.slice(at)).replace(/\?.*/s, "?…")
  const isOpen = at >= 0 || /^[^:=\s]*(:\d{1,5})?(\/[^:=\s]*)?$/.test(rest)
  const text = isOpen ? `${scheme}${at < 0 ? "" : "…"}${rest}` : `${scheme}…`
  return `"${text.slice(0, 100)}"`
}

const nameOf = (value: unknown): string => {
  if (typeof value !== "object" || value === null) return String(value).slice(0, 100)
  const keys = Object.keys(value).slice(0, 5)
  return keys.length === 0 ? "an object without fields" : `an object with ${keys.join(", ")}`
}

const isDecodable = (text: string): boolean => {
  try {
    decodeURIComponent(text)
    return true
  } catch {
    return false
  }
}

const isWhole = (text: string, from: number, to: number): boolean =>
  /^\d{1,9}$/.test(text) && Number(text) >= from && Number(text) <= to
