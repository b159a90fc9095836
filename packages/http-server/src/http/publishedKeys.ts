/** The keys that an issuer of JWTs publishes: read when they are needed, and not for each request. */
import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from "jose"
import { IdentityUnavailable } from "../api/errors.ts"
import type { Outage } from "./outage.ts"

/** In milliseconds. */
const defaultTimes = {
  /** For how long keys are trusted after they were read. */
  fresh: 600_000,
  /** From when they are read again while nobody waits, so that a short outage is not noticed. */
  early: 300_000,
  /** How long a reading is the last word on a key that it did not have. */
  pause: 30_000,
  /** How long a reading that failed is not repeated. */
  retry: 5_000,
  /** How long a reading may take. */
  deadline: 5_000
}
const bytesMax = 256 * 1024

/** What keeps keys from being read at this URL, in words that follow the name of the setting. */
export const problemOfKeysUrl = (url: URL): string | undefined => {
  const isSafe = url.protocol === "https:" || (url.protocol === "http:" && isLoopback(url.hostname))
  if (!isSafe) {
    return "must be an https URL, since whoever can change the keys on their way can be any user. Only on this machine itself, such as at http://localhost, can it be http."
  }
  if (url.username !== "" || url.password !== "") {
    return "must have no user and no password in it: no request can be made with them."
  }
  return undefined
}

const isLoopback = (host: string): boolean =>
  host === "localhost" ||
  host.endsWith(".localhost") ||
  host === "[::1]" ||
  /^127\.\d+\.\d+\.\d+$/.test(host)

/** Finds the key that a token names. Fails with `IdentityUnavailable` where it cannot know. */
export const publishedKeys = (
  url: URL,
  outage: Outage,
  options: { readonly now?: () => number; readonly deadline?: number } = {}
): JWTVerifyGetKey => {
  const now = options.now ?? (() => performance.now())
  const times = { ...defaultTimes, ...options }
  let known: { readonly find: JWTVerifyGetKey; readonly readAt: number } | undefined
  let failedAt = Number.NEGATIVE_INFINITY
  let reading: Promise<void> | undefined

  const readOnce = async (): Promise<void> => {
    try {
      const keys = createLocalJWKSet(await fetchKeys(url, times.deadline))
      known = { find: keys, readAt: now() }
      failedAt = Number.NEGATIVE_INFINITY
      outage.ended()
    } catch (cause) {
      failedAt = now()
      outage.began(cause)
    }
    reading = undefined
  }
  /** Everybody who needs it waits for the same reading. */
  const read = (): Promise<void> => {
    reading ??= readOnce()
    return reading
  }
  const isBackingOff = () => now() - failedAt < times.retry
  const ageOf = () => (known === undefined ? Number.POSITIVE_INFINITY : now() - known.readAt)
  const unavailable = () => {
    const rest = Math.ceil((failedAt + times.retry - now()) / 1_000)
    return new IdentityUnavailable({ retryAfterSeconds: Math.max(1, rest) })
  }

  return async (header, token) => {
    if (ageOf() >= times.fresh) {
      if (!isBackingOff()) await read()
      if (ageOf() >= times.fresh) throw unavailable()
    } else if (ageOf() >= times.early && !isBackingOff()) {
      read()
    }
    const find: JWTVerifyGetKey = async (...named) => {
      try {
        return await known!.find(...named)
      } catch (error) {
        if (isOfToken(error)) throw error
        // The issuer publishes a key that cannot be used: not the user's fault.
        outage.began(error)
        throw unavailable()
      }
    }
    try {
      return await find(header, token)
    } catch (error) {
      const isNew = error instanceof errors.JWKSNoMatchingKey && ageOf() >= times.pause
      if (!isNew) throw error
      // It may have been published since. Whether it was is not known while the issuer is away.
      if (!isBackingOff()) await read()
      if (isBackingOff()) throw unavailable()
      return await find(header, token)
    }
  }
}

const isOfToken = (error: unknown): boolean =>
  error instanceof errors.JWKSNoMatchingKey ||
  error instanceof errors.JWKSMultipleMatchingKeys ||
  error instanceof errors.JOSENotSupported

const fetchKeys = async (url: URL, deadline: number): Promise<JSONWebKeySet> => {
  const response = await fetch(url, {
    redirect: "manual",
    signal: AbortSignal.timeout(deadline),
    headers: { accept: "application/jwk-set+json, application/json" }
  })
  const chunks: Array<Uint8Array> = []
  let bytes = 0
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length
    // Leaving the loop ends the connection.
    if (bytes > bytesMax) throw new Error(`${url} answered with more than ${bytesMax} bytes`)
    chunks.push(chunk)
  }
  if (response.status !== 200) throw new Error(`${url} answered ${response.status}, and not 200`)
  const keys = parse(Buffer.concat(chunks).toString(), url)
  // An issuer without keys signs nothing: taken at its word, it would send every user to sign in.
  if (keys?.keys?.length === 0) throw new Error(`${url} answered with no keys`)
  return keys
}

const parse = (text: string, url: URL) => {
  try {
    return JSON.parse(text)
  } catch {
    throw new Error(`${url} answered with something that is not JSON`)
  }
}
