import { checkNames } from "@boxoffice/core/store"

/** Each in milliseconds. A batch sets the limits of the Postgres server for its own transaction. */
export interface Waits {
  /** For a row that another transaction has locked. Default 1,500. */
  readonly lockTimeoutMs: number
  /** For a statement of a batch, its waits for locks included. Default 15,000. */
  readonly statementTimeoutMs: number
  /**
   * For a node that is silent within its transaction. After it the server frees the locks of a node
   * that has vanished. Default 15,000.
   */
  readonly idleInTransactionMs: number
  /** For the server's answer to one pipeline, and for a connection of the pool. Default 20,000. */
  readonly answerWithinMs: number
  /** For a new connection. Default: the limit of the URL or the client, or else 5,000. */
  readonly connectWithinMs: number | undefined
  /**
   * For the commands under way when the engine is closed. After it, their connections are dropped.
   * Default 10,000.
   */
  readonly closeWithinMs: number
}

export const defaultWaits: Waits = {
  lockTimeoutMs: 1_500,
  statementTimeoutMs: 15_000,
  idleInTransactionMs: 15_000,
  answerWithinMs: 20_000,
  connectWithinMs: undefined,
  closeWithinMs: 10_000
}

const most = 2_147_483_647

/** Throws a `TypeError` with the name of a setting that is out of range. */
export const waitsOf = (
  given: { readonly [Name in keyof Waits]?: Waits[Name] | undefined } = {}
) => {
  const waits: Record<string, number | undefined> = { ...defaultWaits }
  for (const [name, value] of Object.entries(checkNames("waits", given, Object.keys(waits)))) {
    if (value === undefined) continue
    // Guard waits-in-range: without it, limits.test "out of range" fails.
    if (typeof value !== "number" || !Number.isInteger(value) || value < 1 || value > most) {
      throw new TypeError(`waits.${name} must be a whole number of milliseconds from 1 to ${most}`)
    }
    waits[name] = value
  }
  const checked = waits as unknown as Waits
  for (const name of ["statementTimeoutMs", "answerWithinMs"] as const) {
    // Otherwise the other limit ends the wait first, and the error would never say that a lock was
    // the cause.
    if (checked.lockTimeoutMs >= checked[name]) {
      throw new TypeError(`waits.lockTimeoutMs must be below waits.${name}`)
    }
  }
  return checked
}
