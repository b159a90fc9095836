/**
 * Connections of a node to the database, and what the network between them does. A message that is
 * under way arrives, or not, whatever its sender does meanwhile.
 */
import { Clock, Deferred, Effect, type Fiber } from "effect"
import type { Database } from "../database/Database.ts"
import { type Pausing, run } from "../database/run.ts"
import type { Session } from "../database/Session.ts"
import { ConnectionLost, type Failure } from "./failures.ts"
import type { Pipeline } from "./Pipeline.ts"

/** The network between a node and the database. Called for each message: a pipeline is one. */
export interface NodeLink {
  /** The most connections that the node opens, 2 or more. Default 10. */
  readonly maxConnections?: number
  /** How long its batches wait for one lock, in milliseconds. Default 1,500. */
  readonly lockTimeoutMs?: number
  /** May delay the message, lose the connection, or never answer. */
  readonly toServer?: (message: string) => Effect.Effect<"delivered" | "lost">
  readonly toNode?: (message: string) => Effect.Effect<"delivered" | "lost">
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
    const work = this.work(pipeline)
    const { link } = this
    if (link === undefined) {
      return Effect.onInterrupt(work, () => Effect.sync(() => this.session.end()))
    }
    const journey = Effect.gen({ self: this }, function* () {
      yield* this.endIfLost(travel(link.toServer, message))
      const exit = yield* Effect.exit(work)
      yield* this.endIfLost(travel(link.toNode, message))
      return yield* exit
    })
    return Effect.gen({ self: this }, function* () {
      const answer = yield* Deferred.make<void, Failure>()
      yield* Effect.forkDetach(Deferred.into(journey, answer))
      yield* Effect.onInterrupt(withDeadline(Deferred.await(answer)), () => this.close)
    })
  }

  /** Tells the server that the client is gone. Over a silent link the server does not learn it. */
  get close(): Effect.Effect<void> {
    const end = Effect.sync(() => this.session.end())
    if (this.link?.toServer === undefined) return end
    return Effect.asVoid(Effect.forkDetach(Effect.andThen(this.link.toServer("close"), end)))
  }

  /** What the server does with a message. */
  private work(pipeline: Pipeline): Effect.Effect<void, Failure> {
    const { session, server } = this
    return Clock.clockWith((clock) => {
      server.clock = clock
      this.idle?.interruptUnsafe()
      this.idle = undefined
      const ran = run(session, pipeline.steps(session), server.pause)
      // Without a link no client is ever silent.
      return this.link === undefined ? ran : Effect.onExit(ran, () => this.startIdling)
    })
  }

  private get startIdling(): Effect.Effect<void> {
    const { session } = this
    if (session.transaction === undefined) return Effect.void
    const end = Effect.delay(
      Effect.sync(() => session.end()),
      idleInTransactionMs
    )
    return Effect.map(Effect.forkDetach(end), (fiber) => {
      this.idle = fiber
    })
  }

  private endIfLost(journey: Effect.Effect<void, ConnectionLost>) {
    return Effect.onError(journey, () => Effect.sync(() => this.session.end()))
  }
}

const travel = (
  path: NodeLink["toServer"],
  message: string
): Effect.Effect<void, ConnectionLost> =>
  path === undefined
    ? Effect.void
    : Effect.flatMap(path(message), (fate) =>
        fate === "lost" ? Effect.fail(new ConnectionLost(`lost: ${message}`)) : Effect.void
      )
