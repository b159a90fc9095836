/** The base of every error of the engine: a tagged error that any logger prints completely. */
import { Schema } from "effect"
import { bigintInJson } from "../Money.ts"

/**
 * `Schema.TaggedError`, with instances that log completely. Without this, JSON leaves out their message
 * and refuses amounts of money, and Node's `console` prints neither message nor stack.
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
 * Plain data: the tag, the code, the message and the fields, with money as in results. The text of a
 * database's error is left out, since JSON may leave the process.
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

/** An error that Node prints like any other, with its stack and its fields. */
function toPlainError(this: Error): Error {
  const { _tag, cause, ...fields } = this as Error & { readonly _tag: string }
  const shown = new Error(this.message, cause === undefined ? undefined : { cause })
  shown.name = _tag
  const frames = (this.stack ?? "").split("\n").filter((line) => line.startsWith("    at "))
  shown.stack = [`${_tag}: ${this.message}`, ...frames].join("\n")
  return Object.assign(shown, fields)
}

interface ErrorClass {
  new (fields: never): Error & { readonly _tag: string }
  /** The tag. The class's own name is another one in a minified bundle. */
  readonly identifier: string
}

/** Which commands record a refusal: all, or only those of operators. */
type Recorder = "anyone" | "operator"

const recordables = new Map<string, { readonly Refusal: ErrorClass; readonly by: Recorder }>()

/**
 * States that an error is an answer to a command, so that its idempotency key records it. An error
 * without this statement says that the command was not tried: the gate denied it, or something
 * failed, and the next call with the key is decided afresh. An operator's command passes no gate, so
 * more of its refusals are answers.
 */
export const recordable = (Refusal: ErrorClass, by: Recorder): void => {
  recordables.set(Refusal.identifier, { Refusal, by })
}

/** Whether a command records this error as its answer. */
export const isRecordable = (error: unknown, byOperator: boolean): boolean => {
  if (!(error instanceof Error)) return false
  const found = recordables.get((error as { readonly _tag?: string })._tag ?? "")
  return (
    found !== undefined && error instanceof found.Refusal && (byOperator || found.by === "anyone")
  )
}

/** The error of a recorded answer. */
export const recordedError = (tag: string, fields: object): Error => {
  const found = recordables.get(tag)
  if (found === undefined) throw new Error(`An answer is recorded with the unknown error ${tag}.`)
  return new found.Refusal(fields as never)
}
