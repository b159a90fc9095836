/**
 * The machine that a simulated world runs on: its time, its timers, its random numbers and the order
 * of its tasks, all from one seed.
 *
 * A world runs within one synchronous call of {@link Machine.run}. Meanwhile the machine owns what the
 * engine takes from the process: `Date`, `performance`, timers, `Math.random` and the random values of
 * `node:crypto`. No promise and no thread takes part, so nothing but the seed decides what happens.
 *
 * Each node of the world is an {@link Actor}. The tasks of one actor keep their order, as those of a
 * process do; which actor goes on next is drawn. When no actor has a task, time moves on to the next
 * timer. A task or a timer belongs to the actor that made it, and a dead actor's are dropped.
 */
import { Clock, Context, Duration, Effect, References, Scheduler } from "effect"
import { resetCommandIds } from "../../../packages/core/src/engine/CommandIds.ts"
import { Random } from "../random.ts"
import { borrowGlobals, type Globals } from "./globals.ts"
import { type Timer, Timers } from "./Timers.ts"

/** The instant at which every world begins. */
export const worldStart = Date.UTC(2030, 0, 1, 12)

/** A process of the world: a node, the database, or all clients. */
export class Actor {
  readonly name: string
  /** How far its wall clock is ahead of the machine's, in milliseconds. */
  skewMs: number
  isDead = false
  readonly tasks: Array<() => void> = []
  readonly random: Random

  constructor(name: string, seed: string, skewMs: number) {
    this.name = name
    this.skewMs = skewMs
    this.random = new Random(`${seed}/${name}`)
  }
}

/** The world went on without an end: a loop that never pauses. */
export class EndlessLoop extends Error {}

// A usual seed takes a few thousand tasks.
const tasksMax = 2_000_000

export class Machine {
  readonly seed: string
  readonly random: Random
  private readonly timers = new Timers(worldStart)
  private readonly ready: Array<Actor> = []
  /** Clients, operators and the plan itself. */
  readonly outside: Actor
  readonly server: Actor
  /** Answers an HTTP request of an actor. */
  respond: (actor: Actor, ...request: ReadonlyArray<unknown>) => unknown = () => undefined
  private current: Actor
  private tasks = 0

  private constructor(seed: string) {
    this.seed = seed
    this.random = new Random(`${seed}/machine`)
    this.outside = this.actor("outside")
    this.server = this.actor("database")
    this.current = this.outside
  }

  /** Runs a world to its end: until `isOver` says so, or no timer is left. */
  static run<A>(seed: string, begin: (machine: Machine) => { isOver(): boolean; result(): A }): A {
    const machine = new Machine(seed)
    const giveBack = borrowGlobals(machine.globals)
    try {
      resetCommandIds()
      const world = begin(machine)
      machine.runUntil(() => world.isOver())
      return world.result()
    } finally {
      giveBack()
    }
  }

  actor(name: string, skewMs = 0): Actor {
    return new Actor(name, this.seed, skewMs)
  }

  /** Milliseconds since the world began. Goes on steadily, whatever the clocks of the actors show. */
  elapsed(): number {
    return this.timers.now - worldStart
  }

  /** Queues a task of an actor behind its others. */
  enqueue(actor: Actor, task: () => void): void {
    if (actor.isDead) return
    if (actor.tasks.length === 0) this.ready.push(actor)
    actor.tasks.push(task)
  }

  /** Runs a task of an actor after a time. */
  after(actor: Actor, ms: number, task: () => void): () => void {
    const timer = this.timers.once(() => this.enqueue(actor, task), ms)
    return () => this.timers.clear(timer)
  }

  /** Succeeds in a turn of an actor: what comes next runs as that actor, and never if it is dead. */
  turn(actor: Actor): Effect.Effect<void> {
    return Effect.callback<void>((resume) => this.enqueue(actor, () => resume(Effect.void)))
  }

  /** The same in a turn of an actor: behind its tasks if the time is none. */
  later(actor: Actor, ms: number, task: () => void): () => void {
    if (ms > 0) return this.after(actor, ms, task)
    let isCancelled = false
    this.enqueue(actor, () => isCancelled || task())
    return () => {
      isCancelled = true
    }
  }

  /** Succeeds after a time, in a turn of an actor. */
  hop(actor: Actor, ms: number): Effect.Effect<void> {
    return Effect.callback<void>((resume) => {
      const cancel = this.later(actor, ms, () => resume(Effect.void))
      return Effect.sync(cancel)
    })
  }

  /** Ends an actor at once: nothing that it has queued or timed runs any more. */
  kill(actor: Actor): void {
    actor.isDead = true
    actor.tasks.length = 0
  }

  /** What the fibers of an actor run with: its order of tasks, its clock, its random numbers. */
  contextOf(actor: Actor): Context.Context<never> {
    const scheduler = new Scheduler.MixedScheduler("async", (task) => {
      let isCancelled = false
      this.enqueue(actor, () => isCancelled || task())
      return () => {
        isCancelled = true
      }
    })
    return Context.make(Scheduler.Scheduler, scheduler).pipe(
      Context.add(Clock.Clock, this.clockOf(actor)),
      Context.add(References.TracerEnabled, false)
    ) as Context.Context<never>
  }

  private clockOf(actor: Actor): Clock.Clock {
    const wall = () => this.timers.now + actor.skewMs
    const nanos = (ms: number) => BigInt(Math.round(ms * 1_000)) * 1_000n
    const monotonic = () => nanos(this.elapsed())
    return {
      currentTimeMillisUnsafe: wall,
      currentTimeMillis: Effect.sync(wall),
      currentTimeNanosUnsafe: () => nanos(wall()),
      currentTimeNanos: Effect.sync(() => nanos(wall())),
      monotonicTimeNanosUnsafe: monotonic,
      monotonicTimeNanos: Effect.sync(monotonic),
      sleep: (duration) => {
        const ms = Duration.toMillis(duration)
        if (ms <= 0) return Effect.yieldNow
        return Number.isFinite(ms) ? this.hop(actor, ms) : Effect.never
      }
    }
  }

  private runUntil(isOver: () => boolean): void {
    for (;;) {
      while (this.ready.length > 0) this.runOne()
      if (isOver() || this.timers.count === 0) return
      this.timers.next()
    }
  }

  private runOne(): void {
    const index = this.ready.length === 1 ? 0 : this.random.below(this.ready.length)
    const actor = this.ready[index]!
    // A dead actor has none left.
    const task = actor.tasks.shift()
    if (actor.tasks.length === 0) this.ready.splice(index, 1)
    if (task === undefined) return
    if (++this.tasks > tasksMax) throw new EndlessLoop(`more than ${tasksMax} tasks`)
    this.current = actor
    task()
  }

  /** The globals of the process, as the current actor sees them. */
  private readonly globals: Globals = {
    now: () => this.timers.now + this.current.skewMs,
    elapsed: () => this.elapsed(),
    random: () => this.current.random,
    setTimeout: (task, ms) => this.timers.once(this.owned(task), ms),
    setInterval: (task, ms) => this.timers.interval(this.owned(task), ms),
    clear: (timer) => this.timers.clear(timer as Timer | undefined),
    request: (...request) => this.respond(this.current, ...request)
  }

  private owned(task: () => void): () => void {
    const owner = this.current
    return () => this.enqueue(owner, task)
  }
}
