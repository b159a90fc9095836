/**
 * In-memory copy of the keys that a JWT issuer publishes.
 *
 * It holds the keys of the last successful read. They are fresh for 5 minutes; from then on, the
 * next request starts a read in the background, so that a short outage of the issuer goes
 * unnoticed. After 10 minutes they have expired, and requests wait for a read. A token that names
 * an unknown key starts a read as well, if the last one is 30 seconds old. After a failed read the
 * copy backs off for 5 seconds. Concurrent requests share one read; no timer is involved.
 */
import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from "jose"
import { IdentityUnavailable } from "../api/errors.ts"
import type { Outage } from "./outage.ts"

/** In milliseconds. */
const defaultTimes = {
  /** The age at which keys expire. */
  maxAge: 600_000,
  /** The age from which they are read again in the background. */
  refreshAfter: 300_000,
  /** How long a read counts as proof that a key does not exist. */
  missingFor: 30_000,
  /** How long a failed read is not repeated. */
  backOff: 5_000,
  /** How long a read may take. */
  deadline: 5_000
}
const bytesMax = 256 * 1024

/**
 * Why keys cannot be read from this URL, as the rest of a sentence that begins with the setting.
 */
export const problemOfKeysUrl = (url: URL): string | undefined => {
  // Guard keys-by-https: with "true" for `url.protocol…isLoopback(url.hostname))`, identity.test "by http from elsewhere" fails.
  const isSafe = url.protocol === "https:" || (url.protocol === "http:" && isLoopback(url.hostname))
  if (!isSafe) {
    return "must be an https URL, since an attacker who changes the keys in transit can act as any user. Only an address of this machine, such as http://localhost, may use http."
  }
  if (url.username !== "" || url.password !== "") {
    return "must have no user and no password: requests cannot be made with them."
  }
  return undefined
}

const isLoopback = (host: string): boolean =>
  host === "localhost" ||
  host.endsWith(".localhost") ||
  host === "[::1]" ||
  /^127\.\d+\.\d+\.\d+$/.test(host)

/**
 * Finds the key that a token names. Fails with `IdentityUnavailable` if the keys cannot be read.
 */
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
  /** Concurrent callers share one read. */
  const read = (): Promise<void> => {
    reading ??= readOnce()
    return reading
  }
  const isBackingOff = () => now() - failedAt < times.backOff
  const ageOf = () => (known === undefined ? Number.POSITIVE_INFINITY : now() - known.readAt)
  const unavailable = () => {
    const rest = Math.ceil((failedAt + times.backOff - now()) / 1_000)
    return new IdentityUnavailable({ retryAfterSeconds: Math.max(1, rest) })
  }

  return async (header, token) => {
    if (ageOf() >= times.maxAge) {
      if (!isBackingOff()) await read()
      // Guard keys-age: without it, publishedKeys.test "though the issuer is unavailable" fails.
      if (ageOf() >= times.maxAge) throw unavailable()
    } else if (ageOf() >= times.refreshAfter && !isBackingOff()) {
      read()
    }
    const find: JWTVerifyGetKey = async (...named) => {
      try {
        return await known!.find(...named)
      } catch (error) {
        if (isTokenFault(error)) throw error
        // The issuer publishes a key that cannot be used: the token may be valid.
        outage.began(error)
        throw unavailable()
      }
    }
    try {
      return await find(header, token)
    } catch (error) {
      const isNew = error instanceof errors.JWKSNoMatchingKey && ageOf() >= times.missingFor
      if (!isNew) throw error
      // The issuer may have published the key since the last read. If this read fails, the server
      // cannot know, and does not refuse the token.
      if (!isBackingOff()) await read()
      if (isBackingOff()) throw unavailable()
      return await find(header, token)
    }
  }
}

const isTokenFault = (error: unknown): boolean =>
  error instanceof errors.JWKSNoMatchingKey ||
  error instanceof errors.JWKSMultipleMatchingKeys ||
  error instanceof errors.JOSENotSupported

const fetchKeys = async (url: URL, deadline: number): Promise<JSONWebKeySet> => {
  const response = await fetch(url, {
    // Guard keys-redirect: without it, publishedKeys.test "are an outage" fails.
    redirect: "manual",
    // Guard keys-deadline: without it, publishedKeys.test "are an outage" fails.
    signal: AbortSignal.timeout(deadline),
    headers: { accept: "application/jwk-set+json, application/json" }
  })
  const chunks: Array<Uint8Array> = []
  let bytes = 0
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length
    // Throwing out of the loop closes the connection.
    // Guard keys-bytes: without it, publishedKeys.test "are an outage" fails.
    if (bytes > bytesMax) throw new Error(`${url} answered with more than ${bytesMax} bytes`)
    chunks.push(chunk)
  }
  if (response.status !== 200) throw new Error(`${url} answered ${response.status}, and not 200`)
  const keys = parse(Buffer.concat(chunks).toString(), url)
  // An empty key set is a fault of the issuer: accepting it would refuse every user's token.
  // Guard keys-empty: without it, publishedKeys.test "a later reading finds none" fails.
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
