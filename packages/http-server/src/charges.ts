/** Who may put money into a wallet: the operator says so, since nothing here takes it from anybody. */
import type { UserId } from "@boxoffice/core/schema"
import { Effect } from "effect"
import { ChargeNotAllowed } from "./api/errors.ts"

/** A charge that somebody asks for. */
export interface AskedCharge {
  readonly userId: string
  /** In minor units. */
  readonly amount: bigint
  readonly currency: string
  /** Of the request, by names in lower case. */
  readonly headers: Readonly<Record<string, string | undefined>>
}

/**
 * Who may charge a wallet.
 *
 * - `user`: any user who is let in may add money to their own wallet, and nobody has paid for it. So
 *   put your payment step in front of the route.
 * - `operator`: only who knows the admin token or the service token, such as your own payment
 *   service once it has the money. It sends the token as `Authorization: Bearer` or, where that says
 *   who the user is, as `Service-Token`, and names the user as `X-User-Id`.
 * - a function of yours: decides for each charge. Where it throws, nothing is charged.
 */
export type ChargesOption =
  | "user"
  | "operator"
  | ((charge: AskedCharge) => boolean | Promise<boolean>)

const refuse = (hint: string) => Effect.fail(new ChargeNotAllowed({ hint }))

/** Lets a charge through, or refuses it. */
export const allowCharge = (
  charges: ChargesOption | undefined,
  charge: AskedCharge & { readonly userId: UserId },
  isService: boolean
): Effect.Effect<void, ChargeNotAllowed> => {
  if (charges === "user") return Effect.void
  if (typeof charges !== "function") {
    return isService
      ? Effect.void
      : refuse("Only the operator's own services may charge a wallet here.")
  }
  return Effect.flatMap(
    Effect.promise(async () => charges(charge)),
    (allowed) => (allowed === true ? Effect.void : refuse("This charge is not allowed."))
  )
}
