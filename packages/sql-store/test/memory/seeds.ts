/**
 * The seed of a draw. The engine takes it from Node's random bytes, so two engines draw by different
 * seeds. Here both get the same bytes.
 */
import crypto, { createHash } from "node:crypto"
import { syncBuiltinESMExports } from "node:module"
import { Effect } from "effect"

const bytesOfSeed = 32

/** Creates a queue whose seed depends on a text. Others that ask for random bytes meanwhile get them. */
export const withSeed = <A, E, R>(text: string, create: Effect.Effect<A, E, R>) => {
  const real = crypto.randomBytes
  const fixed = (size: number, ...rest: ReadonlyArray<never>) =>
    size === bytesOfSeed && rest.length === 0
      ? createHash("sha256").update(text).digest()
      : (real as (size: number, ...rest: ReadonlyArray<never>) => Buffer)(size, ...rest)
  const replace = (by: unknown) =>
    Effect.sync(() => {
      Object.assign(crypto, { randomBytes: by })
      syncBuiltinESMExports()
    })
  return Effect.acquireUseRelease(
    replace(fixed),
    () => create,
    () => replace(real)
  )
}
