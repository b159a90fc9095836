/** The connections of a node: each carries one batch at a time. */
import { Effect, Exit, Option, Semaphore } from "effect"
import { answerWithinMs, Connection, type NodeLink, type Server, silent } from "./connection.ts"
import { type Failure, isPoisoned } from "./failures.ts"
import { Pipeline } from "./Pipeline.ts"

export class Pool {
  private readonly server: Server
  private readonly link: NodeLink | undefined
  private readonly permits: Semaphore.Semaphore
  private readonly free: Array<Connection> = []

  constructor(server: Server, link: NodeLink | undefined, connections: number) {
    this.server = server
    this.link = link
    this.permits = Semaphore.makeUnsafe(connections)
  }

  /** Lends a connection. If the work fails, no transaction stays open on it. */
  use<A, E>(
    work: (connection: Connection) => Effect.Effect<A, E>,
    failureOf: (error: E | Failure) => Failure
  ): Effect.Effect<A, E | Failure> {
    const lent = this.lend(work, failureOf)
    return Effect.flatMap(this.permits.withPermitsIfAvailable(1)(lent), (answer) =>
      Option.isSome(answer) ? Effect.succeed(answer.value) : this.inTurn(lent)
    )
  }

  /** Waits for a connection, but not for longer than for an answer. */
  private inTurn<A, E>(lent: Effect.Effect<A, E>): Effect.Effect<A, E | Failure> {
    return Effect.suspend(() => {
      let hasBegun = false
      const begun = Effect.suspend(() => {
        hasBegun = true
        return lent
      })
      const givenUp = Effect.flatMap(Effect.sleep(answerWithinMs), () =>
        hasBegun ? Effect.never : silent()
      )
      return Effect.raceFirst(this.permits.withPermit(begun), givenUp)
    })
  }

  private lend<A, E>(
    work: (connection: Connection) => Effect.Effect<A, E>,
    failureOf: (error: E | Failure) => Failure
  ): Effect.Effect<A, E | Failure> {
    return Effect.flatMap(this.get, (connection) =>
      Effect.onExit(work(connection), (exit) => {
        if (Exit.isSuccess(exit)) {
          this.free.push(connection)
          return Effect.void
        }
        return this.cleanUp(connection, exit, failureOf)
      })
    )
  }

  private get get(): Effect.Effect<Connection, Failure> {
    return Effect.suspend(() => {
      for (;;) {
        const connection = this.free.pop()
        if (connection === undefined) return Connection.open(this.server, this.link)
        if (!connection.isOver) return Effect.succeed(connection)
      }
    })
  }

  /** Leaves no transaction open, since another batch gets the connection next. */
  private cleanUp<E>(
    connection: Connection,
    { cause }: Exit.Failure<unknown, E>,
    failureOf: (error: E | Failure) => Failure
  ): Effect.Effect<void> {
    const isUsable = cause.reasons.every(
      (reason) => reason._tag === "Fail" && !isPoisoned(failureOf(reason.error))
    )
    if (!isUsable) return connection.close
    const pipeline = new Pipeline()
    pipeline.rollback()
    return Effect.matchEffect(connection.send("ROLLBACK", pipeline), {
      onFailure: () => connection.close,
      onSuccess: () => Effect.sync(() => void this.free.push(connection))
    })
  }
}
