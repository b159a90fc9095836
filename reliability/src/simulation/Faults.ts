/** Performs the faults of a plan, and ends each when its time is over. */

import { Random } from "../random.ts"
import type { ClockStep } from "./check/steady.ts"
import { holdLocks } from "./locks.ts"
import type { Fault, Step } from "./plan.ts"
import type { World } from "./World.ts"

export class Faults {
  private readonly world: World
  /** The steps that the database's clock has made. */
  readonly clockSteps: Array<ClockStep> = []
  private readonly ends = new Set<() => void>()
  /** How far the database's clock is ahead, and the furthest that it was. */
  private clockMs = 0
  private clockMaxMs = 0

  constructor(world: World) {
    this.world = world
  }

  /** How long a step goes on after its beginning. */
  lengthOf(step: Step): number {
    return "forMs" in step ? step.forMs : 0
  }

  begin(fault: Step & Fault): void {
    const { history, counts, machine } = this.world
    counts.count(`fault: ${nameOf(fault)}`)
    history.note(`fault: ${nameOf(fault)} ${JSON.stringify(fault)}`)
    const finish = this.start(fault)
    if (finish === undefined) return
    const end = () => {
      if (!this.ends.delete(end)) return
      history.note(`the fault ends: ${nameOf(fault)}`)
      finish()
    }
    this.ends.add(end)
    machine.after(machine.outside, this.lengthOf(fault), end)
  }

  endAll(): void {
    for (const end of Array.from(this.ends)) end()
    for (const node of this.world.nodes) node.start()
    // What began while the clock was ahead would last until the clock is there again.
    this.stepClock(this.clockMaxMs - this.clockMs)
  }

  private stepClock(ms: number): void {
    if (ms !== 0) this.clockSteps.push({ elapsedMs: this.world.machine.elapsed(), byMs: ms })
    this.clockMs += ms
    this.clockMaxMs = Math.max(this.clockMaxMs, this.clockMs)
    this.world.database.stepClock(ms)
  }

  /** Begins a fault. Returns what ends it; nothing if it lasts no time. */
  private start(fault: Step & Fault): (() => void) | undefined {
    const { network, database, nodes, receivers, host, machine, plan } = this.world
    const nodeAt = (index: number) => nodes[index % nodes.length]!
    switch (fault.do) {
      case "slowNetwork":
        network.slowMs = fault.ms
        return () => {
          network.slowMs = 0
        }
      case "loseCalls":
        network.losePercent = fault.percent
        return () => {
          network.losePercent = 0
        }
      case "duplicateCalls":
        network.duplicatePercent = fault.percent
        return () => {
          network.duplicatePercent = 0
        }
      case "cutStore": {
        const { percent, when } = fault
        nodeAt(fault.node).fault.cut = { percent, when }
        return () => {
          nodeAt(fault.node).fault.cut = undefined
        }
      }
      case "slowStore":
        nodeAt(fault.node).fault.slowMs = fault.ms
        return () => {
          nodeAt(fault.node).fault.slowMs = 0
        }
      case "silentStore":
        nodeAt(fault.node).fault.isSilent = true
        return () => nodeAt(fault.node).fault.speak()
      case "killBackends": {
        const random = new Random(`${machine.seed}/kill/${fault.id}`)
        const ended = database.killBackends((sessions) =>
          Array.from({ length: sessions }, (_, i) => i).filter(() => random.chance(0.5))
        )
        this.world.counts.count("a backend was killed", ended)
        return undefined
      }
      case "crashStore":
        database.stop()
        return () => database.start()
      case "readOnly":
        database.setReadOnly(true)
        return () => database.setReadOnly(false)
      case "lockRows":
        return holdLocks(this.world, fault.rows)
      case "stepClock":
        this.stepClock(fault.ms)
        return undefined
      case "stepNodeClock":
        nodeAt(fault.node).stepClock(fault.ms)
        return undefined
      case "killNode":
        nodeAt(fault.node).kill()
        return () => nodeAt(fault.node).start()
      case "closeNode":
        nodeAt(fault.node).close()
        return () => nodeAt(fault.node).start()
      case "endpointDown": {
        const endpoint = plan.setup.endpoints[fault.endpoint]?.name
        if (endpoint === undefined) return undefined
        receivers.trouble.set(endpoint, fault.how)
        return () => receivers.trouble.delete(endpoint)
      }
      case "hostThrows":
        host.throwing.add(fault.where)
        return () => host.throwing.delete(fault.where)
    }
  }
}

const nameOf = (fault: Fault): string => {
  if (fault.do === "cutStore") return `cutStore ${fault.when}`
  if (fault.do === "endpointDown") return `endpointDown ${fault.how}`
  if (fault.do === "hostThrows") return `hostThrows ${fault.where}`
  if (fault.do === "lockRows") return `lockRows ${fault.rows}`
  if (fault.do === "stepClock") return `stepClock ${fault.ms < 0 ? "back" : "ahead"}`
  return fault.do
}
