/** Every call that a client made, as invoke and then ok, refused or unknown, in the order of the log. */

/** What became of a call. Unknown: it may have taken effect, or may still take effect. */
export type Outcome =
  | { readonly _tag: "ok"; readonly value: unknown }
  | { readonly _tag: "refused"; readonly error: { readonly _tag: string } }
  | { readonly _tag: "unknown"; readonly why: string }

/** Who called what. `key` is the idempotency key, `body` what the key must stand for. */
export interface Asked {
  readonly operation: string
  readonly user: string
  readonly key?: string | undefined
  readonly body?: string | undefined
  /** The step of the plan that the call belongs to. */
  readonly step: number
}

export interface Call extends Asked {
  readonly number: number
  /** Of the log: before and after what else this call began and ended. */
  readonly beganAs: number
  readonly beganAt: number
  endedAs: number
  endedAt: number
  outcome: Outcome | undefined
}

export class History {
  readonly calls: Array<Call> = []
  private readonly notes: Array<readonly [at: number, line: () => string]> = []
  private readonly elapsed: () => number
  private entries = 0
  /** How many calls have no outcome yet. */
  open = 0

  constructor(elapsed: () => number) {
    this.elapsed = elapsed
  }

  /** Writes a line of the log. It is worded once somebody reads the log, and few do. */
  note(line: string | (() => string)): void {
    this.notes.push([this.elapsed(), typeof line === "string" ? () => line : line])
  }

  get lines(): ReadonlyArray<string> {
    return this.notes.map(([at, line]) => `${String(at).padStart(7)} ${line()}`)
  }

  begin(asked: Asked): Call {
    const number = this.calls.length
    const call: Call = {
      ...asked,
      number,
      beganAs: ++this.entries,
      beganAt: this.elapsed(),
      endedAs: Number.POSITIVE_INFINITY,
      endedAt: Number.POSITIVE_INFINITY,
      outcome: undefined
    }
    this.calls.push(call)
    this.open++
    this.note(
      () => `#${number} ${asked.user} ${asked.operation} ${asked.body ?? ""} ${keyOf(asked)}`
    )
    return call
  }

  end(call: Call, outcome: Outcome): void {
    if (call.outcome !== undefined) return
    call.outcome = outcome
    this.open--
    call.endedAs = ++this.entries
    call.endedAt = this.elapsed()
    this.note(() => `#${call.number} ${describe(outcome)}`)
  }
}

const keyOf = ({ key }: Asked): string => (key === undefined ? "" : `(${key})`)

const describe = (outcome: Outcome): string => {
  if (outcome._tag === "ok") return `ok ${textOf(outcome.value)}`
  if (outcome._tag === "unknown") return `unknown: ${outcome.why}`
  return `refused: ${outcome.error._tag}`
}

/** A value as text that is the same for equal values. */
export const textOf = (value: unknown): string =>
  JSON.stringify(value, (_, field) => (typeof field === "bigint" ? `${field}n` : field)) ?? ""
