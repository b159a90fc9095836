/** The retention settings of a server, from environment variables. */
import { defaultPolicies, type PolicySettings } from "@boxoffice/core"
import { idempotencyKeySecondsMin } from "@boxoffice/core/store"

const variables = {
  endedTokenSeconds: "BOXOFFICE_ENDED_TOKEN_SECONDS",
  idempotencyKeySeconds: "BOXOFFICE_IDEMPOTENCY_KEY_SECONDS",
  endedReservationSeconds: "BOXOFFICE_ENDED_RESERVATION_SECONDS",
  eventSeconds: "BOXOFFICE_EVENT_SECONDS",
  deadLetterSeconds: "BOXOFFICE_DEAD_LETTER_SECONDS"
} as const

type Name = keyof typeof variables
type Retention = Pick<PolicySettings, Name>

/** The minimum of each setting for which 0 does not mean unlimited. */
const least: Partial<Record<Name, number>> = {
  endedTokenSeconds: 1,
  idempotencyKeySeconds: idempotencyKeySecondsMin
}
const hour = 3_600
const most = 2_147_483_647

export const retentionVariables: ReadonlyArray<string> = Object.values(variables)

/** The retention by the environment or the defaults, and the problems of the environment. */
export const retentionOf = (
  text: (variable: string) => string | undefined
): { readonly retention: Retention; readonly problems: ReadonlyArray<string> } => {
  const problems: Array<string> = []
  const secondsOf = (name: Name): number => {
    const given = text(variables[name])
    if (given === undefined) return defaultPolicies[name]
    const seconds = /^\d{1,10}$/.test(given) ? Number(given) : Number.NaN
    const from = least[name]
    if (seconds >= (from ?? hour) && seconds <= most) return seconds
    if (from === undefined && seconds === 0) return 0
    problems.push(
      `${variables[name]} must be a whole number of seconds from ${from ?? hour} to ${most}` +
        `${from === undefined ? ", or 0 to keep all" : ""}.`
    )
    return defaultPolicies[name]
  }
  const retention = Object.fromEntries(
    (Object.keys(variables) as ReadonlyArray<Name>).map((name) => [name, secondsOf(name)])
  ) as Record<Name, number>
  return { retention, problems }
}
