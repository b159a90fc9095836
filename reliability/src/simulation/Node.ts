/**
 * One node of the world: a whole engine with its sweeper and its webhooks, over the shared database.
 * It starts, closes cleanly, is killed, and starts again as a new process.
 */
import { BoxOffice, layerOf, type PolicyOptions } from "@boxoffice/core"
import { Webhooks } from "@boxoffice/http-server/webhooks"
import { Cause, Context, Effect, Exit, Layer, Logger, References, Scope } from "effect"
import type { MemoryDatabase } from "../../../packages/core/src/testing/MemoryDatabase.ts"
import type { Host } from "./Host.ts"
import { Link, LinkFaults } from "./Link.ts"
import type { Actor, Machine } from "./Machine.ts"
import type { EndpointPlan, Setup } from "./plan.ts"
import { layerRemote } from "./remote.ts"

export type NodeState = "down" | "starting" | "up" | "closing"
export type Office = BoxOffice["Service"] & { readonly webhooks: Webhooks["Service"] }
type Services = BoxOffice | Webhooks

export interface NodeOptions {
  readonly index: number
  readonly machine: Machine
  readonly database: MemoryDatabase
  readonly setup: Setup
  readonly host: Host
  readonly count: (what: string) => void
  readonly note: (line: string) => void
}

export class Node {
  state: NodeState = "down"
  /** What is wrong between the node and the database. */
  readonly fault = new LinkFaults()
  private link: Link
  /** Whether the node is to start again when it has closed. */
  private isWanted = false
  private actor: Actor
  private context: Context.Context<Services> | undefined
  private scope: Scope.Closeable | undefined
  private starts = 0
  private skewMs: number
  /** Told of each fiber that the node's end leaves without an answer. */
  private readonly pending = new Set<() => void>()
  private readonly options: NodeOptions

  constructor(options: NodeOptions) {
    this.options = options
    this.skewMs = options.setup.nodes[options.index]!.skewMs
    this.actor = options.machine.actor(this.name, this.skewMs)
    this.link = this.newLink()
  }

  get name(): string {
    return `node ${String.fromCharCode(65 + this.options.index)}`
  }

  get isUp(): boolean {
    return this.state === "up"
  }

  start(): void {
    this.isWanted = true
    if (this.state !== "down") return
    const { machine, count, note } = this.options
    this.starts++
    this.actor = machine.actor(`${this.name} ${this.starts}`, this.skewMs)
    this.link = this.newLink()
    this.state = "starting"
    count("node: started")
    note(`${this.name} starts`)
    const { actor } = this
    const scope = Scope.makeUnsafe()
    this.scope = scope
    const built = Effect.runForkWith(this.base())(Layer.buildWithScope(this.layer(), scope))
    built.addObserver((exit) => {
      if (actor !== this.actor || actor.isDead) return
      if (Exit.isFailure(exit)) {
        note(`${this.name} did not start: ${Cause.pretty(exit.cause)}`)
        this.state = "down"
        machine.after(machine.outside, 500, () => this.isWanted && this.start())
        return
      }
      this.context = exit.value
      this.state = "up"
    })
  }

  /** Ends the process at once: nothing is flushed, and no caller gets an answer. */
  kill(): void {
    this.isWanted = false
    if (this.state === "down") return
    this.options.count("node: killed")
    this.options.note(`${this.name} is killed`)
    this.options.machine.kill(this.actor)
    this.end()
  }

  /** Ends the engine in order. */
  close(): void {
    this.isWanted = false
    if (this.state !== "up") return
    const { count, note, machine } = this.options
    count("node: closed")
    note(`${this.name} closes`)
    this.state = "closing"
    const { actor } = this
    const began = machine.elapsed()
    const closed = Effect.runForkWith(this.base())(Scope.close(this.scope!, Exit.void))
    closed.addObserver(() => {
      if (actor !== this.actor || actor.isDead) return
      note(`${this.name} has closed after ${machine.elapsed() - began} ms`)
      machine.kill(actor)
      this.end()
    })
  }

  /** Moves the node's own clock. */
  stepClock(ms: number): void {
    this.skewMs += ms
    this.actor.skewMs = this.skewMs
  }

  /**
   * Runs an effect on the node. `undefined` if there is no node to take it, or if it ends without an
   * answer. The answer is given as a task of the node.
   */
  run<A, E>(
    effect: (office: Office) => Effect.Effect<A, E>,
    answer: (exit: Exit.Exit<A, E> | undefined) => void
  ): () => void {
    const { context } = this
    if (context === undefined || (this.state !== "up" && this.state !== "closing")) {
      answer(undefined)
      return () => {}
    }
    let isAnswered = false
    const give = (exit: Exit.Exit<A, E> | undefined) => {
      this.pending.delete(lose)
      if (!isAnswered) answer(exit)
      isAnswered = true
    }
    const lose = () => give(undefined)
    this.pending.add(lose)
    let stop = () => {}
    const { actor } = this
    this.options.machine.enqueue(actor, () => {
      const webhooks = Context.get(context, Webhooks)
      const asked = effect({ ...Context.get(context, BoxOffice), webhooks })
      const fiber = Effect.runForkWith(this.base())(asked)
      fiber.addObserver((exit) => actor.isDead || give(exit))
      stop = () => this.options.machine.enqueue(actor, () => fiber.interruptUnsafe())
    })
    return () => stop()
  }

  private end(): void {
    this.state = "down"
    this.context = undefined
    for (const lose of Array.from(this.pending)) lose()
    this.pending.clear()
    if (this.isWanted) this.start()
  }

  private newLink(): Link {
    const { machine, setup, count } = this.options
    const { actor, fault: faults } = this
    const { maxConnections } = setup.nodes[this.options.index]!
    const usualMs = setup.storeLatencyMs
    return new Link({ machine, actor, usualMs, maxConnections, faults, count })
  }

  /** What fibers run with in the name of the node, on its own clock or on the database's. */
  private base(actor = this.actor): Context.Context<never> {
    const { machine, note, count } = this.options
    const logger = Logger.make(({ message, cause }) => {
      const texts = [message].flat().map((part) => (Cause.isCause(part) ? firstOf(part) : part))
      if (cause.reasons.length > 0) texts.push(firstOf(cause))
      count(`log: ${String(texts[0])}`)
      note(`${this.name} logs: ${texts.join(" ")}`)
    })
    return Context.add(
      machine.contextOf(actor),
      References.CurrentLoggers,
      new Set([logger])
    ) as Context.Context<never>
  }

  private layer(): Layer.Layer<Services> {
    const { database, setup, host } = this.options
    const { machine } = this.options
    const server = this.base(machine.server)
    const store = layerRemote({ machine, actor: this.actor, server, host }).pipe(
      Layer.provide(database.layerStore(this.link.port))
    )
    const office = layerOf({
      signingKeys: { k1: "a signing key of a simulated world" },
      policies: policiesOf(setup, host),
      batches: { batchSize: setup.batchSize },
      sweepEvery: setup.sweepEveryMs
    })
    return Webhooks.layer(setup.endpoints.map(endpointOf)).pipe(
      Layer.provideMerge(office),
      Layer.provide(store),
      Layer.orDie
    )
  }
}

const firstOf = (cause: Cause.Cause<unknown>): string => Cause.pretty(cause).split("\n")[0]!

const policiesOf = (setup: Setup, host: Host): Partial<PolicyOptions> => ({
  holdSeconds: setup.holdSeconds,
  seatsPerUser: setup.seatsPerUser,
  endedTokenSeconds: setup.endedTokenSeconds,
  eventSeconds: 0,
  endedReservationSeconds: 0,
  gate: host.gate,
  price: host.price,
  walletCeiling: host.walletCeiling,
  admission: host.admission
})

const endpointOf = ({ name, attempts, retryMs, timeoutMs }: EndpointPlan) => ({
  name,
  url: `https://${name}.example/hooks`,
  secrets: [`whsec_${Buffer.from("a secret of simulated webhooks!!").toString("base64")}`],
  from: "beginning" as const,
  attempts,
  retryMs,
  timeoutMs
})
