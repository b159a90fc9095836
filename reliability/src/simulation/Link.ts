/** The network between one node and the database, with the faults of the plan. */
import type { NodeLink, Path } from "../../../packages/core/src/testing/MemoryDatabase.ts"
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
      toServer: (message, arrive) => this.pass(message, "before commit", arrive),
      toNode: (message, arrive) => this.pass(message, "after commit", arrive),
      after: (ms, task) => options.machine.after(options.machine.server, ms, task)
    }
  }

  private pass(message: string, side: CutWhen, arrive: Parameters<Path>[1]): ReturnType<Path> {
    const { actor, machine } = this
    if (actor.isDead) {
      if (side === "after commit") arrive("lost")
      return undefined
    }
    const isLost = this.isCut(message, side)
    if (isLost) this.count(`a connection was lost ${side}`)
    const { random } = actor
    const { slowMs, isSilent } = this.faults
    const ms = random.between(...this.usualMs) + (slowMs > 0 ? random.below(slowMs) : 0)
    // What is under way arrives whatever becomes of the node, and an answer finds it dead then.
    const go = () =>
      machine.later(machine.server, ms, () =>
        arrive(isLost || (side === "after commit" && actor.isDead) ? "lost" : "delivered")
      )
    return isSilent ? this.whenSpoken(go) : go()
  }

  private isCut(message: string, side: CutWhen): boolean {
    if (this.faults.cut === undefined) return false
    const { percent, when } = this.faults.cut
    const isMeant = when === "anywhere" || (when === side && isCommit(message))
    return isMeant && this.actor.random.chance(percent / 100)
  }

  /** Sends a message on its way once the silence has ended. */
  private whenSpoken(go: () => () => void): () => void {
    this.count("a message met silence")
    let takeBack = () => {
      this.faults.held.delete(release)
    }
    const release = () =>
      this.machine.enqueue(this.machine.server, () => {
        takeBack = go()
      })
    this.faults.held.add(release)
    return () => takeBack()
  }
}

/** The saves of a batch and its COMMIT are one message. */
const isCommit = (message: string): boolean => message === "save"
