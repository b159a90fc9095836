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
  readonly port: NodeLink

  constructor(options: {
    readonly machine: Machine
    readonly actor: Actor
    readonly usualMs: readonly [number, number]
    readonly maxConnections: number
    readonly faults: LinkFaults
    readonly count: (what: string) => void
  }) {
    this.machine = options.machine
    this.actor = options.actor
    this.usualMs = options.usualMs
    this.faults = options.faults
    this.count = options.count
    this.port = {
      maxConnections: options.maxConnections,
      toServer: (message) => this.pass(message, "before commit"),
      toNode: (message) => this.pass(message, "after commit")
    }
  }

  private pass(message: string, side: CutWhen): Effect.Effect<"delivered" | "lost"> {
    return Effect.suspend((): Effect.Effect<"delivered" | "lost"> => {
      if (this.actor.isDead) return side === "before commit" ? Effect.never : lost
      const isLost = this.isCut(message, side)
      if (isLost) this.count(`a connection was lost ${side}`)
      const { random } = this.actor
      const { slowMs, isSilent } = this.faults
      const ms = random.between(...this.usualMs) + (slowMs > 0 ? random.below(slowMs) : 0)
      // What is under way arrives whatever becomes of the node, and an answer finds it dead then.
      const arrival = Effect.map(this.machine.hop(this.machine.server, ms), () =>
        isLost || (side === "after commit" && this.actor.isDead) ? "lost" : "delivered"
      )
      return isSilent ? Effect.andThen(this.untilSpoken(), arrival) : arrival
    })
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
      const release = () => this.machine.enqueue(this.machine.server, () => resume(Effect.void))
      this.faults.held.add(release)
      return Effect.sync(() => this.faults.held.delete(release))
    })
  }
}

/** The saves of a batch and its COMMIT are one message. */
const isCommit = (message: string): boolean => message === "save"

const lost = Effect.succeed("lost" as const)
