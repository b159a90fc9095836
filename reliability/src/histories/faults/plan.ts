/** Which faults a run has, in which order, and when. */
import { setTimeout as sleep } from "node:timers/promises"
import type { Random } from "../../random.ts"
import type { World } from "../world/world.ts"
import { type FaultKind, faultKinds } from "./faults.ts"

export interface Plan {
  readonly process: ReadonlyArray<FaultKind>
  readonly line: ReadonlyArray<FaultKind>
  /** What this machine does not allow. */
  readonly impossible: ReadonlyArray<FaultKind>
}

/** As many of each kind as the full form has, or one of each; in an order of the seed. */
export const planFaults = (
  world: World,
  random: Random,
  { isFull, faults }: { readonly isFull: boolean; readonly faults: string }
): Plan => {
  const kinds = faultKinds.filter(
    ({ name, hasTarget }) => name.includes(faults) && (hasTarget?.(world) ?? true)
  )
  const isPossible = (kind: FaultKind) => kind.isPossible?.(world) ?? true
  const planned = kinds
    .filter(isPossible)
    .flatMap((kind) => Array.from({ length: isFull ? kind.full : 1 }, () => kind))
  const layer = (name: FaultKind["layer"]) =>
    random.shuffle(planned.filter((kind) => kind.layer === name))
  const impossible = kinds.filter((kind) => !isPossible(kind))
  return { process: layer("process"), line: layer("line"), impossible }
}

/**
 * Strikes one fault after another, until the plan ends or time is up. Between two of them there is a
 * moment to recover in, which is sometimes too short.
 */
export const strikeAll = async (
  world: World,
  kinds: ReadonlyArray<FaultKind>,
  random: Random,
  options: { readonly isOver: () => boolean; readonly onFault: (text: string) => void }
): Promise<void> => {
  for (const kind of kinds) {
    if (options.isOver()) return
    await sleep(random.between(100, 2_500))
    const beganAt = world.log.now()
    const target = await kind.strike(world, random).catch((error) => {
      // Another fault has taken the database away, or this one could not begin for another reason.
      options.onFault(`${kind.name}: ${error}`)
      return undefined
    })
    if (target === undefined) continue
    world.log.add({ fault: kind.name, target, beganAt, endedAt: world.log.now() })
    options.onFault(`${kind.name} (${target})`)
  }
}
