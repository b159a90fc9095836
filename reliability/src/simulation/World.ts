/**
 * One world: nodes, a database, users, operators, consumers and receivers, which perform a plan.
 *
 *     arrange ─▶ the steps of the plan, with their faults ─▶ calm ─▶ at rest, or out of time
 *
 * In the calm all faults have ended and every queue that is not closed is open. Whoever can be served
 * must be served then within `calmMs`, and consumers and webhooks must catch up.
 */
import { Effect, Fiber } from "effect"
import {
  type MemoryDatabase,
  makeMemoryDatabase
} from "../../../packages/core/src/testing/MemoryDatabase.ts"
import { Random } from "../random.ts"
import { Consumers } from "./Consumers.ts"
import { Counts } from "./Counts.ts"
import { isFinished } from "./check/unfinished.ts"
import { Faults } from "./Faults.ts"
import { History } from "./History.ts"
import { Host } from "./Host.ts"
import type { Machine } from "./Machine.ts"
import { Network } from "./Network.ts"
import { Node } from "./Node.ts"
import { arrange, operate } from "./operations.ts"
import type { Fault, Operation, Plan, Step, Visit } from "./plan.ts"
import { Receivers } from "./Receivers.ts"
import { type End, Visitor } from "./visits.ts"

/** How long the calm may last, in milliseconds: see `docs/reliability.md`. */
const calmMaxMs = 600_000
/** How long the world goes on when all is served, so that what comes too much would come. */
const restMs = 3_000

export interface VisitEnd {
  readonly step: Step & Visit
  end: End | undefined
}

export class World {
  readonly machine: Machine
  readonly plan: Plan
  readonly counts = new Counts()
  readonly history: History
  readonly host: Host
  readonly receivers: Receivers
  readonly visits: Array<VisitEnd> = []
  readonly violations: Array<string> = []
  database!: MemoryDatabase
  nodes: ReadonlyArray<Node> = []
  network!: Network
  consumers!: Consumers
  faults!: Faults
  /** What operators do: each tries again until it is answered. */
  private readonly operations: Array<Fiber.Fiber<unknown>> = []
  calmSince: number | undefined
  private atRestSince: number | undefined
  private lookedAt = 0
  private wasCaughtUp = false

  constructor(machine: Machine, plan: Plan) {
    this.machine = machine
    this.plan = plan
    const { count } = this.counts
    this.history = new History(() => machine.elapsed())
    const note = (line: string) => this.history.note(line)
    this.host = new Host(plan.setup, new Random(`${machine.seed}/host`), count)
    this.receivers = new Receivers(machine, count, note)
    machine.respond = (actor, url, options) =>
      this.receivers.request(actor, url as URL, options as never)
  }

  begin(): void {
    const { machine, plan, history, host } = this
    const { setup } = plan
    const { count } = this.counts
    const note = (line: string) => history.note(line)
    const random = new Random(`${machine.seed}/pauses`)
    const pause = (): Effect.Effect<void> | undefined =>
      random.chance(0.15) ? Effect.sleep(random.below(4)) : undefined
    const onViolation = (name: string) => {
      note(`the database refused a write by ${name}`)
      this.violations.push(name)
    }
    this.database = Effect.runSyncWith(machine.contextOf(machine.server))(
      makeMemoryDatabase({ pause, onViolation })
    )
    const { database } = this
    this.nodes = setup.nodes.map(
      (_, index) => new Node({ index, machine, database, setup, host, count, note })
    )
    const { nodes } = this
    this.network = new Network({ machine, nodes, history, usualMs: setup.latencyMs, count })
    this.consumers = new Consumers({
      ...{ machine, nodes, host, count, note },
      plans: setup.consumers
    })
    this.faults = new Faults(this)
    for (const node of nodes) node.start()
    this.fork(
      Effect.gen({ self: this }, function* () {
        yield* arrange(this)
        note("the sale is arranged")
        this.consumers.start()
        const began = machine.elapsed()
        for (const step of plan.steps) {
          machine.after(machine.outside, began + step.at - machine.elapsed(), () =>
            this.perform(step)
          )
        }
        const last = Math.max(0, ...plan.steps.map((step) => step.at + this.faults.lengthOf(step)))
        machine.after(machine.outside, last + 100, () => this.calm())
      })
    )
  }

  /** Runs an effect outside of all nodes. */
  fork(effect: Effect.Effect<unknown>): Fiber.Fiber<unknown> {
    return Effect.runForkWith(this.machine.contextOf(this.machine.outside))(effect)
  }

  private perform(step: Step): void {
    if (step.do === "visit") return this.visit(step)
    if (isFault(step)) return this.faults.begin(step)
    this.counts.count(`operator: ${step.do}`)
    this.operations.push(this.fork(operate(this, step as Step & Operation)))
  }

  private visit(step: Step & Visit): void {
    const entry: VisitEnd = { step, end: undefined }
    this.visits.push(entry)
    this.counts.count(`user: ${step.manner}`)
    const { machine, network, plan } = this
    const untilMs = () => (this.calmSince ?? machine.elapsed()) + calmMaxMs - 60_000
    const visitor = new Visitor({ machine, network, setup: plan.setup, step, untilMs })
    this.fork(
      Effect.map(visitor.visit, (end) => {
        entry.end = end
        this.counts.count(`visit: ${end}`)
        this.history.note(`u${step.user} (${step.manner}) ends: ${end}`)
      })
    )
  }

  private calm(): void {
    this.calmSince = this.machine.elapsed()
    this.history.note("calm: all faults have ended")
    this.faults.endAll()
    // A pause that an operator asked for during a fault may succeed only now: the queues open after it.
    const answered = Fiber.awaitAll(this.operations)
    for (const [queue] of this.plan.setup.queues.entries()) {
      const open = operate(this, { do: "mode", queue, mode: "open", id: -1, at: 0 })
      this.fork(Effect.andThen(answered, open))
    }
    // In every second world the dead letters stay: nothing may depend on their being sent again.
    if (this.plan.seed % 2 === 1) return
    for (const endpoint of this.plan.setup.endpoints.keys()) {
      this.fork(operate(this, { do: "redeliver", endpoint, id: -1, at: 0 }))
    }
  }

  /** Whether the world is at rest, or has had its time. */
  isOver(): boolean {
    const { machine, calmSince } = this
    if (calmSince === undefined) return machine.elapsed() > 3_600_000
    if (machine.elapsed() - calmSince > calmMaxMs) return true
    if (this.visits.some(({ end }) => end === undefined) || !this.isCaughtUp()) {
      this.atRestSince = undefined
      return false
    }
    this.atRestSince ??= machine.elapsed()
    if (machine.elapsed() - this.atRestSince < restMs) return false
    // The last look may be a second old: a queue may have opened since, and its event be on its way.
    if (isFinished(this)) return true
    this.atRestSince = undefined
    return false
  }

  /**
   * Whether no call is on its way, nobody waits, nothing has lapsed without a record, and consumers and
   * webhooks have had every event. Looks once a second, since looking takes a while.
   */
  private isCaughtUp(): boolean {
    if (this.history.open > 0) return false
    const { machine } = this
    if (machine.elapsed() - this.lookedAt < 1_000) return this.wasCaughtUp
    this.lookedAt = machine.elapsed()
    this.wasCaughtUp = isFinished(this)
    return this.wasCaughtUp
  }
}

const faultNames = new Set<Fault["do"]>([
  "slowNetwork",
  "loseCalls",
  "duplicateCalls",
  "cutStore",
  "slowStore",
  "silentStore",
  "killBackends",
  "crashStore",
  "readOnly",
  "lockRows",
  "stepClock",
  "stepNodeClock",
  "killNode",
  "closeNode",
  "endpointDown",
  "hostThrows"
])

const isFault = (step: Step): step is Step & Fault => faultNames.has(step.do as Fault["do"])
