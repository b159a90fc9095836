/**
 * Why a store cannot be opened: either a mistake in a setting, or an outage, with the address of
 * the database.
 */
import { StoreUnavailable } from "@boxoffice/core"
import { Redacted } from "effect"
import type { SqlError } from "effect/sql/SqlError"
import { isConnectionLost, unavailable } from "../sqlFailure.ts"
import { type DatabaseInvalid, refusedSetting, shown } from "./databaseSetting.ts"
import { targetOf } from "./sockets.ts"

/** The address of a store, as far as a log may show it. */
export interface StoreLocation {
  /** The value of the setting. */
  readonly value: string
  /** Host and port; undefined if only the driver knows them. */
  readonly address?: string | undefined
}

export const locationOfUrl = (url: string): StoreLocation => ({
  value: shown(url),
  address: addressOf({ url })
})

/** The address of a `Pool` of `pg`; undefined if it takes its host from the environment. */
export const locationOfPool = (pool: object): StoreLocation => {
  const { options } = pool as { readonly options?: Readonly<Record<string, unknown>> }
  const { connectionString, host, port } = options ?? {}
  const url = typeof connectionString === "string" ? connectionString : undefined
  const hostName = typeof host === "string" ? host : undefined
  const address =
    url === undefined && hostName === undefined
      ? undefined
      : addressOf({
          url,
          ...(url === undefined && hostName !== undefined && { host: hostName }),
          ...(url === undefined && Number.isInteger(port) && { port: Number(port) })
        })
  return { value: address === undefined ? "a pool" : `a pool of ${address}`, address }
}

const addressOf = (said: {
  readonly url?: string | undefined
  readonly host?: string
  readonly port?: number
}): string | undefined => {
  const { url, ...rest } = said
  try {
    const target = targetOf(url === undefined ? rest : { ...rest, url: Redacted.make(url) })
    return "path" in target ? target.path : `${target.host}:${target.port}`
  } catch {
    return undefined
  }
}

/** The error if the server or the network path refuses the setting; undefined for an outage. */
export const openingRefused = (
  setting: string,
  location: StoreLocation,
  error: SqlError
): DatabaseInvalid | undefined => refusedSetting(setting, location.value, error)

/** The error for an outage, with the address of the store. */
export const openingFailed = (location: StoreLocation, error: SqlError): StoreUnavailable => {
  const failed = unavailable(error)
  const address = location.address ?? addressIn(error)
  // A server that answers, or waits for a lock, is at the right address: leave it out.
  if (address === undefined || !isConnectionLost(error)) return failed
  return new StoreUnavailable({ retryable: failed.retryable, cause: error, address })
}

/** The address in the socket's error, searched from the innermost error out. */
const addressIn = (error: unknown, depth = 0): string | undefined => {
  if (typeof error !== "object" || error === null || depth > 6) return undefined
  const { cause, reason, errors, address, hostname, port } = error as Record<string, unknown>
  const inner = [cause, reason, Array.isArray(errors) ? errors[0] : undefined]
  for (const each of inner) {
    const found = addressIn(each, depth + 1)
    if (found !== undefined) return found
  }
  const host = address ?? hostname
  if (typeof host !== "string") return undefined
  return Number.isInteger(port) ? `${host}:${port}` : host
}
