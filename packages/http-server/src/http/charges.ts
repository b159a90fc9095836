/**
 * Decides whether a caller may charge a wallet. The engine collects no payment for a charge, so the
 * operator configures which callers are trusted.
 */
import { PolicyFailed, type UserId } from "@boxoffice/core/schema"
import { Effect } from "effect"
import { ChargeNotAllowed } from "../api/errors.ts"
import type { RequestHeaders } from "./message.ts"

/** A charge that a caller requests. */
export interface RequestedCharge {
  readonly userId: string
  /** In minor units. */
  readonly amount: bigint
  readonly currency: string
  /** The headers of the request, with lower-case names. */
  readonly headers: RequestHeaders
}

/**
 * Which callers may charge a wallet.
 *
 * - `user`: each user who passes the gate may add money to their own wallet without paying for it,
 *   so put your payment step in front of the route.
 * - `operator`: only callers with the admin token or the service token, such as your own payment
 *   service after it has collected the money. The service sends the token as `Authorization:
 *   Bearer` or, if that header identifies the user, as `Service-Token`; it names the user as
 *   `X-User-Id`, and needs no queue token.
 * - a function of the host: returns `true` or `false` for each charge. If it throws, rejects,
 *   returns another value, or takes more than ten seconds, nothing is charged, and the caller gets
 *   `policy_failed`.
 */
export type ChargesOption =
  | "user"
  | "operator"
  | ((charge: RequestedCharge) => boolean | Promise<boolean>)

const refuse = (hint: string) => Effect.fail(new ChargeNotAllowed({ hint }))

/** Succeeds if the setting allows the charge; fails if not. */
export const allowCharge = (
  charges: ChargesOption,
  charge: RequestedCharge & { readonly userId: UserId },
  isService: boolean
): Effect.Effect<void, ChargeNotAllowed | PolicyFailed> => {
  if (charges === "user") return Effect.void
  if (charges === "operator") {
    // Guard charge-by-service: with "true" for "isService", charges.test "own services do" fails.
    return isService
      ? Effect.void
      : refuse("Only the operator's own services may charge a wallet here.")
  }
  return Effect.flatMap(ask(charges, charge), (allowed) =>
    // Guard charge-allowed: with "true" for "allowed", charges.test "a function of the host's decides" fails.
    allowed ? Effect.void : refuse("This charge is not allowed.")
  )
}

const failed = (reason: string, cause?: unknown) =>
  new PolicyFailed({ policy: "charges", reason, cause })

// Long enough for a host that calls its payment service; the caller waits that long at most.
const answerSeconds = 10

const ask = (
  rule: (charge: RequestedCharge) => unknown,
  charge: RequestedCharge
): Effect.Effect<boolean, PolicyFailed> =>
  Effect.tryPromise({
    try: async () => rule(charge),
    catch: (cause) => failed("threw", cause)
  }).pipe(
    // Guard charge-answer-deadline: without it, charges.test "or never answers" fails.
    Effect.timeoutOrElse({
      duration: `${answerSeconds} seconds`,
      orElse: () => Effect.fail(failed(`gave no answer within ${answerSeconds} s`))
    }),
    Effect.flatMap((answer) =>
      // Guard charge-answer-boolean: with "true" for `typeof answer === "boolean"`, charges.test "a function of the host's decides" fails.
      typeof answer === "boolean"
        ? Effect.succeed(answer)
        : Effect.fail(failed(`gave ${typeof answer}, and not true or false`))
    )
  )
