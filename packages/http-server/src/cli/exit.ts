/** How the command line ends: its error messages and exit codes. */
import { Cause, Console, Data, Effect, Exit } from "effect"
import { CliError, CliOutput } from "effect/cli"

/** Stable, and listed in docs/cli.md. */
export const exitCodes = {
  done: 0,
  /** The command failed, entirely or in part. */
  failed: 1,
  /**
   * The command completed with a negative result: a problem was found, an invariant is violated.
   */
  no: 2,
  /** The command or flag does not exist, or its value is invalid. */
  misused: 64
} as const

/** The result is negative, and has been printed. */
export class NegativeResult extends Data.TaggedError("NegativeResult") {}

export const exitCodeOf = (exit: Exit.Exit<unknown, unknown>): number => {
  // An interrupt is a request to end, not a failure.
  if (Exit.isSuccess(exit) || Cause.hasInterruptsOnly(exit.cause)) return exitCodes.done
  const error = Cause.squash(exit.cause)
  if (error instanceof NegativeResult) return exitCodes.no
  if (!CliError.isCliError(error)) return exitCodes.failed
  // Without a subcommand, the help is the expected output.
  return error._tag === "ShowHelp" && error.errors.length === 0 ? exitCodes.done : exitCodes.misused
}

/**
 * Reports a misused command on stderr alone, because stdout may be piped into another program, such
 * as psql.
 */
export const layerPresenter = CliOutput.layerPresenter({
  present: (event) => {
    if (event._tag !== "InvalidInvocation") return CliOutput.defaultPresenter.present(event)
    // The library says "Expected: Schema validation failed: Expected a value of ...".
    const messages = event.errors.map(({ message }) =>
      message.replace("Expected: Schema validation failed: ", "")
    )
    return Console.error([...messages, `See \`${event.commandPath.join(" ")} --help\`.`].join("\n"))
  }
})

/** Reports an error on stderr, unless it has been reported already. */
export const report = (cause: Cause.Cause<unknown>): Effect.Effect<void> => {
  const error = Cause.squash(cause)
  const isReported = CliError.isCliError(error) || error instanceof NegativeResult
  return Cause.hasInterruptsOnly(cause) || isReported ? Effect.void : Console.error(explain(error))
}

/** The message for the operator: the error and its remedy. */
const explain = (error: unknown): string => {
  const problem = error as { _tag?: string; message?: string; cause?: unknown }
  if (problem._tag === "ServeError") {
    const cause = problem.cause as { code?: string; port?: number; message?: string } | undefined
    return cause?.code === "EADDRINUSE"
      ? `Port ${cause.port} is taken. Stop the process that listens on it, or choose another: --port ${(cause.port ?? 0) + 1}`
      : `Cannot listen: ${cause?.message}`
  }
  if (problem._tag === "StoreUnavailable" || problem._tag === "SqlError") {
    const { code, message } = deepest(problem)
    const advice = adviceFor(code)
    return `The database cannot be used: ${message}${advice === undefined ? "" : `\n${advice}`}`
  }
  return problem.message ?? String(error)
}

const deepest = (error: unknown): { readonly code: string; readonly message: string } => {
  const { cause, reason, code, message } = error as {
    cause?: unknown
    reason?: unknown
    code?: unknown
    message?: string
  }
  const inner = cause ?? reason
  if (typeof inner === "object" && inner !== null) return deepest(inner)
  return { code: String(code), message: message ?? String(error) }
}

/** Advice by SQLSTATE, or by Node's error code. */
const adviceFor = (code: string): string | undefined => {
  switch (code) {
    case "ECONNREFUSED":
    case "ENOTFOUND":
    case "ETIMEDOUT":
      return "Is the server running, and are host and port of the URL right?"
    case "28P01":
    case "28000":
      return "Check user and password of the URL; escape special characters in it, such as %40 for @."
    case "3D000":
      return "Create the database first: createdb NAME."
    case "42501":
      return "The role lacks a right. To migrate or simulate, connect as the owner (`boxoffice plan` prints the SQL to run); all other commands need only what `boxoffice migrate --app-role` grants."
    case "42704":
      return "Create the role first: CREATE ROLE name LOGIN PASSWORD '...'."
    case "25006":
      return "The server is a standby or read-only: connect to the primary."
    default:
      return undefined
  }
}
