/** The network between one node and the database, with the faults of the plan. */
import { Effect } from "effect"
import type { NodeLink } from "../../../packages/core/src/testing/MemoryDatabase.ts"
import type { Actor, Machine } from "./Machine.ts"

type CutWhen = "before commit" | "after commit" | "anywhere"

/** What is wrong with the network of a node. It outlasts the node's process. */
export class LinkFaults {
  slowMs = 0
  isSilent = false
  cut: { readonly percent: number; readonly when: CutWhen } | undefined
  /** Messages that wait for the end of a silence. */
  readonly held = new Set<() => void>()

  /** Ends a silence: the messages that it held arrive. */
  speak(): void {
    this.isSilent = false
    for (const release of this.held) release()
    this.held.clear()
  }
}

/** The network of one process of a node. */
export class Link {
  private readonly machine: Machine
  private readonly actor: Actor
  private readonly usualMs: readonly [number, number]
  private readonly faults: LinkFaults
  private readonly count: (what: string) => void

  constructor(options: {
    readonly machine: Machine
    readonly actor: Actor
    readonly usualMs: readonly [number, number]
    readonly faults: LinkFaults
    readonly count: (what: string) => void
  }) {
    this.machine = options.machine
    this.actor = options.actor
    this.usualMs = options.usualMs
    this.faults = options.faults
    this.count = options.count
  }

  readonly port: NodeLink = {
    toServer: (message) => this.pass(message, "before commit"),
    toNode: (message) => this.pass(message, "after commit")
  }

  private pass(message: string, side: CutWhen): Effect.Effect<"delivered" | "lost"> {
    return Effect.suspend(() => {
      if (this.actor.isDead) return Effect.never
      const isLost = this.isCut(message, side)
      if (isLost) this.count(`a connection was lost ${side}`)
      const { random } = this.actor
      const { slowMs, isSilent } = this.faults
      const ms = random.between(...this.usualMs) + (slowMs > 0 ? random.below(slowMs) : 0)
      const arrival = Effect.as(this.machine.hop(this.actor, ms), isLost ? "lost" : "delivered")
      return isSilent ? Effect.andThen(this.untilSpoken(), arrival) : arrival
    }) as Effect.Effect<"delivered" | "lost">
  }

  private isCut(message: string, side: CutWhen): boolean {
    if (this.faults.cut === undefined) return false
    const { percent, when } = this.faults.cut
    const isMeant = when === "anywhere" || (when === side && isCommit(message))
    return isMeant && this.actor.random.chance(percent / 100)
  }

  private untilSpoken(): Effect.Effect<void> {
    return Effect.callback<void>((resume) => {
      this.count("a message met silence")
      const release = () => this.machine.enqueue(this.actor, () => resume(Effect.void))
      this.faults.held.add(release)
      return Effect.sync(() => this.faults.held.delete(release))
    })
  }
}

const isCommit = (message: string): boolean => /commit/i.test(message)
