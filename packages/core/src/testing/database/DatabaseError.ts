/** The errors of a server, by the codes of Postgres. */

/** What the server answered in place of rows. */
export class DatabaseError extends Error {
  /** The SQLSTATE. */
  readonly code: string
  /** The constraint or trigger that refused a row. */
  readonly constraint: string | undefined
  /** Of a duplicate key: its values. */
  readonly detail: string | undefined

  constructor(
    code: string,
    message: string,
    { constraint, detail }: { readonly constraint?: string; readonly detail?: string } = {}
  ) {
    super(message)
    this.code = code
    this.constraint = constraint
    this.detail = detail
  }
}

export const lockTimedOut = () =>
  new DatabaseError("55P03", "canceling statement due to lock timeout")
export const statementTimedOut = () =>
  new DatabaseError("57014", "canceling statement due to statement timeout")
export const deadlocked = () => new DatabaseError("40P01", "deadlock detected")
export const terminated = () =>
  new DatabaseError("57P01", "terminating connection due to administrator command")
export const readOnly = () =>
  new DatabaseError("25006", "cannot execute this in a read-only transaction")
export const transactionFailed = () => new DatabaseError("25P02", "current transaction is aborted")

/** A guard of the schema has refused a row. */
export const refused = (constraint: string, code: string, detail?: string) =>
  new DatabaseError(code, `the row violates ${constraint}`, {
    constraint,
    ...(detail === undefined ? {} : { detail })
  })
