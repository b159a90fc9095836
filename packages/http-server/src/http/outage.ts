/** Something outside that is away for a while: said once when it goes, and once when it is back. */
import { Cause, type Context, Effect } from "effect"

export interface Outage {
  readonly began: (cause: unknown) => void
  readonly ended: () => void
}

/** Logs an outage of `what`: its beginning with the cause, and its end. */
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
