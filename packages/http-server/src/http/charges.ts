/** Who may put money into a wallet: the operator says so, since nothing here takes it from anybody. */
import { PolicyFailed, type UserId } from "@boxoffice/core/schema"
import { Effect } from "effect"
import { ChargeNotAllowed } from "../api/errors.ts"
import type { RequestHeaders } from "./message.ts"

/** A charge that somebody asks for. */
export interface RequestedCharge {
  readonly userId: string
  /** In minor units. */
  readonly amount: bigint
  readonly currency: string
  /** Of the request, by names in lower case. */
  readonly headers: RequestHeaders
}

/**
 * Who may charge a wallet.
 *
 * - `user`: any user who is let in may add money to their own wallet, and nobody has paid for it. So
 *   put your payment step in front of the route.
 * - `operator`: only who knows the admin token or the service token, such as your own payment
 *   service once it has the money. It sends the token as `Authorization: Bearer` or, where that says
 *   who the user is, as `Service-Token`, and names the user as `X-User-Id`. It needs no queue token.
 * - a function of yours: decides for each charge, by `true` or `false`. Where it throws, rejects,
 *   gives something else, or takes more than ten seconds, nothing is charged, and the caller gets
 *   `policy_failed`.
 */
export type ChargesOption =
  | "user"
  | "operator"
  | ((charge: RequestedCharge) => boolean | Promise<boolean>)

const refuse = (hint: string) => Effect.fail(new ChargeNotAllowed({ hint }))

/** Lets a charge through, or refuses it. */
export const allowCharge = (
  charges: ChargesOption,
  charge: RequestedCharge & { readonly userId: UserId },
  isService: boolean
): Effect.Effect<void, ChargeNotAllowed | PolicyFailed> => {
  if (charges === "user") return Effect.void
  if (charges === "operator") {
    return isService
      ? Effect.void
      : refuse("Only the operator's own services may charge a wallet here.")
  }
  return Effect.flatMap(ask(charges, charge), (allowed) =>
    allowed ? Effect.void : refuse("This charge is not allowed.")
  )
}

const failed = (reason: string, cause?: unknown) =>
  new PolicyFailed({ policy: "charges", reason, cause })

// A host may ask its payment service, and the caller waits meanwhile.
const answerSeconds = 10

const ask = (
  rule: (charge: RequestedCharge) => unknown,
  charge: RequestedCharge
): Effect.Effect<boolean, PolicyFailed> =>
  Effect.tryPromise({
    try: async () => rule(charge),
    catch: (cause) => failed("threw", cause)
  }).pipe(
    Effect.timeoutOrElse({
      duration: `${answerSeconds} seconds`,
      orElse: () => Effect.fail(failed(`gave no answer within ${answerSeconds} s`))
    }),
    Effect.flatMap((answer) =>
      typeof answer === "boolean"
        ? Effect.succeed(answer)
        : Effect.fail(failed(`gave ${typeof answer}, and not true or false`))
    )
  )
