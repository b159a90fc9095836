/** How the command line ends: what it says, and with which code. */
import { Cause, Console, Data, Effect, Exit } from "effect"
import { CliError, CliOutput } from "effect/cli"

/** Stable, and listed in docs/cli.md. */
export const exitCodes = {
  done: 0,
  /** It could not be done, or not as a whole. */
  failed: 1,
  /** It was done, and the answer is no: a problem was found, an invariant is violated. */
  no: 2,
  /** There is no such command or flag, or a value that it cannot take. */
  misused: 64
} as const

/** The answer is no, and has been printed. */
export class NegativeResult extends Data.TaggedError("NegativeResult") {}

export const exitCodeOf = (exit: Exit.Exit<unknown, unknown>): number => {
  // Being asked to end is no failure.
  if (Exit.isSuccess(exit) || Cause.hasInterruptsOnly(exit.cause)) return exitCodes.done
  const error = Cause.squash(exit.cause)
  if (error instanceof NegativeResult) return exitCodes.no
  if (!CliError.isCliError(error)) return exitCodes.failed
  // Help that was asked for by leaving the command out.
  return error._tag === "ShowHelp" && error.errors.length === 0 ? exitCodes.done : exitCodes.misused
}

/**
 * A command that was misused says so on stderr alone: what stdout gives may be on its way into
 * another program, such as psql.
 */
export const layerPresenter = CliOutput.layerPresenter({
  present: (event) => {
    if (event._tag !== "InvalidInvocation") return CliOutput.defaultPresenter.present(event)
    // The library says "Expected: Schema validation failed: Expected a value of ...".
    const said = event.errors.map(({ message }) =>
      message.replace("Expected: Schema validation failed: ", "")
    )
    return Console.error([...said, `See \`${event.commandPath.join(" ")} --help\`.`].join("\n"))
  }
})

/** Says on stderr what went wrong, unless it was said. */
export const report = (cause: Cause.Cause<unknown>): Effect.Effect<void> => {
  const error = Cause.squash(cause)
  const isReported = CliError.isCliError(error) || error instanceof NegativeResult
  return Cause.hasInterruptsOnly(cause) || isReported ? Effect.void : Console.error(explain(error))
}

/** What went wrong, and what to do about it, in the words of whoever typed the command. */
const explain = (error: unknown): string => {
  const problem = error as { _tag?: string; message?: string; cause?: unknown }
  if (problem._tag === "ServeError") {
    const cause = problem.cause as { code?: string; port?: number; message?: string } | undefined
    return cause?.code === "EADDRINUSE"
      ? `Port ${cause.port} is taken. Stop what listens there, or choose another: --port ${(cause.port ?? 0) + 1}`
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

/** By the SQLSTATE, or by what Node calls it. */
const adviceFor = (code: string): string | undefined => {
  switch (code) {
    case "ECONNREFUSED":
    case "ENOTFOUND":
    case "ETIMEDOUT":
      return "Is the server running, and are host and port of the URL right?"
    case "28P01":
    case "28000":
      return "Check user and password of the URL; special characters in it are written as %40 and so on."
    case "3D000":
      return "Create the database first: createdb NAME."
    case "42501":
      return "This role lacks a right. Connect as the owner to migrate or to play (`boxoffice plan` prints what to run); all else takes what `boxoffice migrate --app-role` grants."
    case "42704":
      return "Create the role first: CREATE ROLE name LOGIN PASSWORD '...'."
    case "25006":
      return "This is a standby, or read-only: connect to the primary."
    default:
      return undefined
  }
}
