/** A crowd at an on-sale: everyone joins, asks again when told to, and shops once inside. */
import type { BoxOffice, QueueTokenStatus, UserId } from "@boxoffice/core"
import { Effect, FiberSet, Result } from "effect"
import type { Told } from "./estimates.ts"
import type { Figures } from "./figures.ts"
import { makeRandom } from "./random.ts"
import type { Sale } from "./sale.ts"
import { shop } from "./shopper.ts"
import { makeTimerWheel, wheelStepMs } from "./timerWheel.ts"

export interface CrowdOptions {
  readonly users: number
  /** Everyone has come after this long. */
  readonly arrivalSeconds: number
  /** The same seed makes the same choices; how the users' calls interleave is up to the machine. */
  readonly seed: number
}

/** Somebody on the way in. Only who makes a call, or is inside, has a fiber. */
interface Visitor {
  readonly userId: UserId
  readonly seed: number
  /** When they were to do what they do next, in milliseconds since the crowd set off. */
  dueMs: number
  queueToken: string | undefined
  position: number
  /** How often in a row they were turned away. */
  turnedAway: number
  readonly told: Told
}

const waitSecondsMax = 30
/** Calls between two looks at what else the process has to do. */
const callsInARow = 64

/** The whole crowd; ends when everyone has bought or gone. */
export const runCrowd = (
  office: BoxOffice["Service"],
  sale: Sale,
  figures: Figures,
  { users, arrivalSeconds, seed }: CrowdOptions
): Effect.Effect<void> =>
  Effect.gen(function* () {
    const fork = yield* FiberSet.runtime(yield* FiberSet.make())()
    const started = performance.now()
    const nowMs = () => performance.now() - started
    const wheel = makeTimerWheel<Visitor>()
    const random = makeRandom(seed)
    let there = users

    const doNext = (visitor: Visitor, afterSeconds: number): void => {
      visitor.dueMs = nowMs() + afterSeconds * 1_000
      wheel.add(visitor.dueMs, visitor)
    }
    /** The rest of somebody's visit. A failed call ends it, is counted, and fails the verdict. */
    const leaveAfter = (visit: Effect.Effect<void, unknown>): void => {
      const counted = Effect.catchCause(visit, (cause) => Effect.sync(() => figures.fail(cause)))
      fork(
        Effect.ensuring(
          counted,
          Effect.sync(() => there--)
        )
      )
    }

    const hear = (visitor: Visitor, status: QueueTokenStatus): void => {
      const { userId, told } = visitor
      visitor.turnedAway = 0
      if (status.state === "waiting") {
        if (status.position > visitor.position) figures.violate(`${userId} went back in the line`)
        visitor.position = status.position
        figures.estimates.note(told, status)
        doNext(visitor, status.pollAfterSeconds)
      } else if (status.state === "admitted") {
        figures.estimates.cameIn(told, status.admittedAt!)
        const caller = { userId, queueToken: visitor.queueToken! }
        leaveAfter(shop(office, sale, figures, caller, makeRandom(visitor.seed)))
      } else {
        figures.count("missed")
        there--
      }
    }

    /** A call whose answer is a place in line. Who is turned away comes back after a while. */
    const ask = <A extends QueueTokenStatus, E extends { readonly _tag: string }>(
      visitor: Visitor,
      name: "join" | "poll",
      call: Effect.Effect<A, E>,
      keep: (answer: A) => void
    ): void => {
      const asked = Effect.map(Effect.result(figures.timeOnce(name, call)), (answer) => {
        if (Result.isSuccess(answer)) {
          keep(answer.success)
          hear(visitor, answer.success)
        } else if (answer.failure._tag === "Overloaded") {
          figures.count("turnedAway")
          doNext(visitor, Math.min(waitSecondsMax, 2 ** visitor.turnedAway++))
        } else leaveAfter(Effect.fail(answer.failure))
      })
      fork(
        Effect.catchCause(asked, (cause) => Effect.sync(() => leaveAfter(Effect.failCause(cause))))
      )
    }

    const act = (visitor: Visitor): void => {
      const { userId, queueToken } = visitor
      figures.late(nowMs() - visitor.dueMs)
      if (queueToken === undefined) {
        const call = office.queue.join({ queueId: sale.queueId, userId })
        return ask(visitor, "join", call, (joined) => {
          visitor.queueToken = joined.token
        })
      }
      // As a server does: from memory, where that is fresh, and by asking the store elsewhere.
      const begun = performance.now()
      const known = office.queue.peek({ userId, queueToken })
      if (known !== undefined && Result.isSuccess(known)) {
        figures.answeredFromMemory(performance.now() - begun)
        return hear(visitor, known.success)
      }
      ask(visitor, "poll", office.queue.status({ userId, queueToken }), () => {})
    }

    for (let i = 0; i < users; i++) {
      const dueMs = random() * arrivalSeconds * 1_000
      wheel.add(dueMs, {
        userId: `u${i}` as UserId,
        seed: seed + i,
        dueMs,
        queueToken: undefined,
        position: Number.POSITIVE_INFINITY,
        turnedAway: 0,
        told: figures.estimates.follow()
      })
    }
    while (there > 0) {
      let calls = 0
      for (const visitor of wheel.take(nowMs())) {
        act(visitor)
        if (++calls % callsInARow === 0) yield* Effect.yieldNow
      }
      yield* Effect.sleep(wheelStepMs)
    }
  }).pipe(Effect.scoped)
