/**
 * The network between clients and nodes. A call travels to a node, runs there, and its answer travels
 * back; each way takes a while, and while the plan says so, calls and answers are lost or arrive twice.
 */
import { Cause, Effect, Exit, Option } from "effect"
import { Random } from "../random.ts"
import type { Asked, Call, History, Outcome } from "./History.ts"
import { HostFailed } from "./Host.ts"
import type { Machine } from "./Machine.ts"
import type { Node, Office } from "./Node.ts"

/** A node that lives answers each call within this time: see `docs/reliability.md`. */
export const answerWithinMs = 60_000
/** After this time without an answer a client gives a call up. */
const patienceMs = 20_000

/** A call at a node. */
export interface Served {
  readonly call: Call
  readonly node: string
  readonly beganAt: number
  /** When the node answered, or died. */
  endedAt: number | undefined
}

export type Ask<A> = (office: Office) => Effect.Effect<A, { readonly _tag: string }>

export class Network {
  slowMs = 0
  losePercent = 0
  duplicatePercent = 0
  readonly served: Array<Served> = []
  private readonly machine: Machine
  private readonly nodes: ReadonlyArray<Node>
  private readonly history: History
  private readonly usualMs: readonly [number, number]
  private readonly count: (what: string) => void

  constructor(options: {
    readonly machine: Machine
    readonly nodes: ReadonlyArray<Node>
    readonly history: History
    readonly usualMs: readonly [number, number]
    readonly count: (what: string) => void
  }) {
    this.machine = options.machine
    this.nodes = options.nodes
    this.history = options.history
    this.usualMs = options.usualMs
    this.count = options.count
  }

  /** Calls a node, and gives what the client learns of the call. Never fails. */
  call<A>(asked: Asked, preferred: number, ask: Ask<A>): Effect.Effect<Outcome> {
    return Effect.callback<Outcome>((resume) => {
      const call = this.history.begin(asked)
      const random = new Random(`${this.machine.seed}/call/${asked.step}/${call.number}`)
      const learn = (outcome: Outcome) => {
        if (call.outcome !== undefined) return
        cancelPatience()
        this.history.end(call, outcome)
        this.count(`${asked.operation}: ${nameOf(outcome)}`)
        resume(Effect.succeed(outcome))
      }
      const cancelPatience = this.machine.after(this.machine.outside, patienceMs, () =>
        learn({ _tag: "unknown", why: "no answer" })
      )
      this.send(call, random, preferred, ask, learn)
      if (this.happens(random, this.duplicatePercent)) {
        this.count("a call arrived twice")
        this.send(call, random, random.below(this.nodes.length), ask, () => {})
      }
    })
  }

  private send<A>(
    call: Call,
    random: Random,
    preferred: number,
    ask: Ask<A>,
    learn: (outcome: Outcome) => void
  ): void {
    const { outside } = this.machine
    if (this.happens(random, this.losePercent)) return this.count("a call was lost")
    this.machine.after(outside, this.delay(random), () => {
      const node = this.reachable(preferred)
      if (node === undefined) {
        return void this.machine.after(outside, this.delay(random), () =>
          learn({ _tag: "refused", error: { _tag: "NoNode" } })
        )
      }
      const beganAt = this.machine.elapsed()
      const served: Served = { call, node: node.name, beganAt, endedAt: undefined }
      this.served.push(served)
      node.run(ask, (exit) => {
        // A process that dies closes its connections: its clients learn of that.
        served.endedAt = this.machine.elapsed()
        if (exit === undefined) this.count("a node died with a call")
        if (this.happens(random, this.losePercent)) return this.count("an answer was lost")
        this.machine.after(outside, this.delay(random), () => learn(outcomeOf(exit)))
      })
    })
  }

  /** The preferred node, or another one that is up. */
  private reachable(preferred: number): Node | undefined {
    const { length } = this.nodes
    for (let i = 0; i < length; i++) {
      const node = this.nodes[(preferred + i) % length]!
      if (node.isUp) return node
    }
    return undefined
  }

  private happens(random: Random, percent: number): boolean {
    return percent > 0 && random.chance(percent / 100)
  }

  private delay(random: Random): number {
    return random.between(...this.usualMs) + (this.slowMs > 0 ? random.below(this.slowMs) : 0)
  }
}

const outcomeOf = (exit: Exit.Exit<unknown, { readonly _tag: string }> | undefined): Outcome => {
  if (exit === undefined) return { _tag: "unknown", why: "the node died" }
  if (Exit.isSuccess(exit)) return { _tag: "ok", value: exit.value }
  const error = Option.getOrUndefined(Exit.findErrorOption(exit))
  if (error === undefined) return { _tag: "unknown", why: defectOf(exit.cause) }
  if (error._tag === "StoreUnavailable") {
    const { retryable, cause } = error as { readonly retryable?: boolean; readonly cause?: unknown }
    const how = retryable === true ? "the store is unavailable" : "the store refuses"
    return { _tag: "unknown", why: `${how}: ${String(cause).split("\n")[0]}` }
  }
  return { _tag: "refused", error }
}

const defectOf = (cause: Cause.Cause<unknown>): string => {
  const defect = Cause.squash(cause)
  return defect instanceof HostFailed
    ? `the host's function threw (planned): ${defect.message}`
    : `a defect: ${Cause.pretty(cause).split("\n")[0]}`
}

const nameOf = (outcome: Outcome): string => {
  if (outcome._tag === "ok") return "ok"
  return outcome._tag === "refused" ? outcome.error._tag : outcome.why.split(":")[0]!
}
