/**
 * The consumers of events that the host runs. Each runs on one node and moves to another one when its
 * node ends or the plan says so; wherever it stops, it must miss no event.
 */
import { aggregateOf, type BoxOfficeEvent } from "@boxoffice/core"
import { Cause, Effect, Exit } from "effect"
import type { Host } from "./Host.ts"
import type { Machine } from "./Machine.ts"
import type { Node } from "./Node.ts"
import type { ConsumerPlan } from "./plan.ts"

/** An event that a consumer was given. */
export interface Handled {
  readonly consumer: string
  readonly eventId: string
  readonly aggregate: string
  readonly event: BoxOfficeEvent
}

export interface ConsumersOptions {
  readonly machine: Machine
  readonly nodes: ReadonlyArray<Node>
  readonly plans: ReadonlyArray<ConsumerPlan>
  readonly host: Host
  readonly count: (what: string) => void
  readonly note: (line: string) => void
}

/** After a consumer has ended, the host starts it again after this time. */
const restartMs = 700

export class Consumers {
  readonly handled: Array<Handled> = []
  private readonly options: ConsumersOptions
  private readonly running = new Map<string, () => void>()

  constructor(options: ConsumersOptions) {
    this.options = options
  }

  start(): void {
    for (const plan of this.options.plans) this.run(plan, plan.node)
  }

  /** Stops a consumer in the middle of whatever it does, and goes on with it on another node. */
  move(index: number, node: number): void {
    const plan = this.options.plans[index]
    if (plan === undefined) return
    const { count, note, nodes } = this.options
    count("consumer: moved")
    const next = node % nodes.length
    note(`${plan.name} moves to ${nodes[next]!.name}`)
    this.running.get(plan.name)?.()
    this.run(plan, next)
  }

  private run(plan: ConsumerPlan, preferred: number): void {
    const { machine, nodes, count, note } = this.options
    let isMoved = false
    let stop = () => {}
    this.running.set(plan.name, () => {
      isMoved = true
      stop()
    })
    const attempt = (index: number): void => {
      if (isMoved) return
      const node = nodes[index % nodes.length]!
      if (!node.isUp)
        return void machine.after(machine.outside, restartMs, () => attempt(index + 1))
      stop = node.run(
        ({ events }) =>
          events.forEach(plan.name, (recorded) => this.handle(plan.name, recorded), {
            leaseMs: plan.leaseMs,
            pollMs: 500
          }),
        (exit) => {
          if (isMoved) return
          count(exit === undefined ? "consumer: its node ended" : "consumer: ended")
          if (exit !== undefined && Exit.isFailure(exit)) {
            note(`${plan.name} ended: ${Cause.pretty(exit.cause).split("\n")[0]}`)
          }
          machine.after(machine.outside, restartMs, () => attempt(index))
        }
      )
    }
    attempt(preferred)
  }

  private handle(
    consumer: string,
    recorded: {
      readonly id: string
      readonly aggregate: { readonly kind: string; readonly id: string }
      readonly event: BoxOfficeEvent
    }
  ): Effect.Effect<void> {
    const { host, machine } = this.options
    return Effect.gen({ self: this }, function* () {
      yield* Effect.sleep(machine.random.below(30))
      host.mayThrow("handler")
      const { event } = recorded
      const [kind, id] = aggregateOf(event)
      this.handled.push({ consumer, eventId: recorded.id, aggregate: `${kind}/${id}`, event })
    })
  }
}
