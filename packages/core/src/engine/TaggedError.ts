/** What every error of the engine extends: a tagged error that any logger can write down. */
import { Schema } from "effect"
import { bigintInJson } from "../Money.ts"

/**
 * `Schema.TaggedError`, whose instances tell all about themselves when they are logged. As they
 * come, JSON leaves their message out and refuses amounts of money, and Node's `console` prints
 * neither message nor stack.
 */
export const TaggedError = ((identifier: string) => {
  const define = Schema.TaggedError<Error>(identifier) as unknown as Define
  return (...definition: ReadonlyArray<unknown>) => {
    const Defined = define(...definition)
    Object.defineProperties(Defined.prototype, {
      toJSON: { value: toJson },
      [Symbol.for("nodejs.util.inspect.custom")]: { value: toPlainError }
    })
    return Defined
  }
}) as typeof Schema.TaggedError

type Define = (...definition: ReadonlyArray<unknown>) => new (...args: never) => Error

/**
 * Plain data: the tag, the code, the message and the fields, money as in results. What a database
 * said is left out: JSON travels.
 */
function toJson(this: Error): Record<string, unknown> {
  return { ...(plain(this) as object), message: this.message }
}

const plain = (value: unknown): unknown => {
  if (typeof value === "bigint") return bigintInJson(value)
  if (typeof value !== "object" || value === null || value instanceof Date) return value
  if (Array.isArray(value)) return value.map(plain)
  return Object.fromEntries(
    Object.entries(value).map(([name, field]) => [
      name,
      field instanceof Error ? String(field) : plain(field)
    ])
  )
}

/** An error that Node prints as it prints any other, with its stack and its fields. */
function toPlainError(this: Error): Error {
  const { _tag, cause, ...fields } = this as Error & { readonly _tag: string }
  const shown = new Error(this.message, cause === undefined ? undefined : { cause })
  shown.name = _tag
  const frames = (this.stack ?? "").split("\n").filter((line) => line.startsWith("    at "))
  shown.stack = [`${_tag}: ${this.message}`, ...frames].join("\n")
  return Object.assign(shown, fields)
}
