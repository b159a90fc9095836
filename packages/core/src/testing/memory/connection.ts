/**
 * Connections of a node to the database, and what the network between them does. A message that is
 * under way arrives, or not, whatever its sender does meanwhile.
 */
import { Clock, Context, Effect, Exit, type Fiber } from "effect"
import type { Database } from "../database/Database.ts"
import { begin, type Pausing, run } from "../database/run.ts"
import type { Session } from "../database/Session.ts"
import { ConnectionLost, type Failure } from "./failures.ts"
import type { Pipeline } from "./Pipeline.ts"

/**
 * One way of the network. It calls `arrive` when the message arrives or the connection is lost, now or
 * later; never, if it is silent. It may return a function that takes the message back.
 */
export type Path = (
  message: string,
  arrive: (fate: "delivered" | "lost") => void
) => (() => void) | undefined

/**
 * The network between a node and the database. Called for each message: a pipeline is one. It has
 * callbacks in place of effects, since a simulated world spends most of its time on messages.
 */
export interface NodeLink {
  /** The most connections that the node opens, 2 or more. Default 10. */
  readonly maxConnections?: number
  /** How long its batches wait for one lock, in milliseconds. Default 1,500. */
  readonly lockTimeoutMs?: number
  readonly toServer?: Path
  readonly toNode?: Path
  /** Runs a task after a time, unless told not to. Default: by Effect's clock. */
  readonly after?: (ms: number, task: () => void) => () => void
}

/** The server, as connections reach it. */
export interface Server {
  readonly database: Database
  readonly isRunning: () => boolean
  readonly pause: Pausing
  /** Effect's clock, as the fiber has it that sent the last message. */
  clock: Clock.Clock
}

/** After how long the server ends a session whose client is silent within a transaction. */
const idleInTransactionMs = 15_000

/** For the answer to a message, and for a connection of the pool. */
export const answerWithinMs = 20_000

export const silent = (): Effect.Effect<never, ConnectionLost> =>
  Effect.fail(new ConnectionLost(`no answer within ${answerWithinMs / 1_000} s`))

/** Ends the wait for a connection that has gone silent. Its statements may have run. */
const withDeadline = <A, E>(answer: Effect.Effect<A, E>): Effect.Effect<A, E | ConnectionLost> =>
  Effect.timeoutOrElse(answer, { duration: answerWithinMs, orElse: silent })

export class Connection {
  private readonly server: Server
  private readonly link: NodeLink | undefined
  private readonly session: Session
  private idle: Fiber.Fiber<void> | undefined

  private constructor(server: Server, link: NodeLink | undefined) {
    this.server = server
    this.link = link
    this.session = server.database.openSession()
  }

  static open(server: Server, link: NodeLink | undefined): Effect.Effect<Connection, Failure> {
    const connect = Effect.suspend(() =>
      server.isRunning()
        ? Effect.succeed(new Connection(server, link))
        : Effect.fail(new ConnectionLost("the server is down"))
    )
    if (link === undefined) return connect
    const journey = Effect.gen(function* () {
      yield* travel(link.toServer, "connect")
      const connection = yield* connect
      yield* Effect.onError(travel(link.toNode, "connected"), () =>
        Effect.sync(() => connection.session.end())
      )
      return connection
    })
    return withDeadline(journey)
  }

  /** Whether the session has ended, as far as the client can know. */
  get isOver(): boolean {
    return this.session.isOver
  }

  /** Sends a message and waits for its answer. If the sender stops waiting, the connection closes. */
  send(message: string, pipeline: Pipeline): Effect.Effect<void, Failure> {
    const { link, session, server } = this
    if (link === undefined) {
      const work = Clock.clockWith((clock) => {
        server.clock = clock
        return run(session, pipeline.steps(session), server.pause)
      })
      return Effect.onInterrupt(work, () => Effect.sync(() => session.end()))
    }
    return Effect.withFiber((sender) =>
      Effect.callback<void, Failure>((resume) => {
        const { context } = sender
        const answer = (exit: Exit.Exit<void, Failure>) => {
          giveUp()
          resume(exit)
        }
        // The message is under way, whether or not its sender goes on waiting.
        sender.currentDispatcher.scheduleTask(
          () => this.deliver(link, message, pipeline, context, answer),
          0
        )
        const after = link.after ?? afterBy(context)
        const giveUp = after(answerWithinMs, () => resume(silent()))
        return Effect.suspend(() => {
          giveUp()
          return this.close
        })
      })
    )
  }

  /** Brings a message to the server, and the answer to the node. */
  private deliver(
    { toServer = delivering, toNode = delivering }: NodeLink,
    message: string,
    pipeline: Pipeline,
    context: Context.Context<never>,
    answer: (exit: Exit.Exit<void, Failure>) => void
  ): void {
    const lose = () => {
      this.session.end()
      answer(Exit.fail(lost(message)))
    }
    const reply = (exit: Exit.Exit<void, Failure>) => {
      if (this.session.transaction !== undefined) Effect.runForkWith(context)(this.startIdling)
      toNode(message, (fate) => (fate === "lost" ? lose() : answer(exit)))
    }
    toServer(message, (fate) => {
      if (fate === "lost") return lose()
      const done = this.work(pipeline, Context.get(context, Clock.Clock))
      if (Exit.isExit(done)) reply(done as Exit.Exit<void, Failure>)
      else Effect.runForkWith(context)(done).addObserver(reply)
    })
  }

  /** Tells the server that the client is gone. Over a silent link the server does not learn it. */
  get close(): Effect.Effect<void> {
    const end = Effect.sync(() => this.session.end())
    const { toServer } = this.link ?? {}
    if (toServer === undefined) return end
    const arrived = Effect.callback<void>((resume) => {
      toServer("close", () => resume(end))
    })
    return Effect.asVoid(Effect.forkDetach(arrived))
  }

  /** What the server does with a message, up to the first wait, and what follows. */
  private work(pipeline: Pipeline, clock: Clock.Clock): Effect.Effect<void, Failure> {
    const { session, server } = this
    server.clock = clock
    this.idle?.interruptUnsafe()
    this.idle = undefined
    return begin(session, pipeline.steps(session), server.pause)
  }

  private get startIdling(): Effect.Effect<void> {
    const end = Effect.delay(
      Effect.sync(() => this.session.end()),
      idleInTransactionMs
    )
    return Effect.map(Effect.forkDetach(end), (fiber) => {
      this.idle = fiber
    })
  }
}

/** Runs tasks by the clock of a context. */
const afterBy =
  (context: Context.Context<never>): NonNullable<NodeLink["after"]> =>
  (ms, task) => {
    const fiber = Effect.runForkWith(context)(Effect.delay(Effect.sync(task), ms))
    return () => fiber.interruptUnsafe()
  }

const lost = (message: string): ConnectionLost => new ConnectionLost(`lost: ${message}`)

const delivering: Path = (_, arrive) => {
  arrive("delivered")
  return undefined
}

const travel = (path: Path = delivering, message: string): Effect.Effect<void, ConnectionLost> =>
  Effect.callback((resume) => {
    const takeBack = path(message, (fate) =>
      resume(fate === "lost" ? Effect.fail(lost(message)) : Effect.void)
    )
    return takeBack && Effect.sync(takeBack)
  })
