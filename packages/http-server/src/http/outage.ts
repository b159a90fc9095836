/**
 * An outage of a system that the server depends on. States: available and unavailable, for as long
 * as the server runs. Each change is logged once, so that an outage does not log for each request.
 */
import { Cause, type Context, Effect } from "effect"

export interface Outage {
  readonly began: (cause: unknown) => void
  readonly ended: () => void
}

/** Logs the beginning of an outage of `what`, with the cause, and its end. */
export const makeOutage = (what: string, context: Context.Context<never>): Outage => {
  const log = Effect.runForkWith(context)
  let isAway = false
  return {
    began: (cause) => {
      if (isAway) return
      isAway = true
      log(Effect.logError(`${what}: callers get identity_unavailable meanwhile`, Cause.fail(cause)))
    },
    ended: () => {
      if (!isAway) return
      isAway = false
      log(Effect.logInfo(`${what}: this has ended`))
    }
  }
}
