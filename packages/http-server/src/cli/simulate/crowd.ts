/** The users of a simulated on-sale: each joins, polls when due, and shops once admitted. */
import type { BoxOffice, QueueTokenStatus, UserId } from "@boxoffice/core"
import { Effect, FiberSet, Result } from "effect"
import type { Forecast } from "./estimates.ts"
import type { Figures } from "./figures.ts"
import { makeRandom } from "./random.ts"
import type { Sale } from "./sale.ts"
import { shop } from "./shopper.ts"
import { makeTimerWheel, wheelStepMs } from "./timerWheel.ts"

export interface CrowdOptions {
  readonly users: number
  /** The time within which all users arrive. */
  readonly arrivalSeconds: number
  /** The same seed makes the same choices; how the calls interleave depends on the machine. */
  readonly seed: number
}

/**
 * A user who has not been admitted yet. A fiber exists only for a running call or an admitted user.
 */
interface Visitor {
  readonly userId: UserId
  readonly seed: number
  /** When the next call is due, in milliseconds since the start. */
  dueMs: number
  queueToken: string | undefined
  position: number
  /** How often in a row the engine was overloaded. */
  turnedAway: number
  readonly forecast: Forecast
}

const waitSecondsMax = 30
/** The number of calls before the crowd yields to other work of the process. */
const callsInARow = 64

/** Runs the whole crowd; ends when every user has bought or left. */
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
    let remaining = users

    const doNext = (visitor: Visitor, afterSeconds: number): void => {
      visitor.dueMs = nowMs() + afterSeconds * 1_000
      wheel.add(visitor.dueMs, visitor)
    }
    /** Runs the rest of a visit. A failed call ends it, is counted, and fails the verdict. */
    const finishVisit = (visit: Effect.Effect<void, unknown>): void => {
      const counted = Effect.catchCause(visit, (cause) => Effect.sync(() => figures.fail(cause)))
      fork(
        Effect.ensuring(
          counted,
          Effect.sync(() => remaining--)
        )
      )
    }

    const applyStatus = (visitor: Visitor, status: QueueTokenStatus): void => {
      const { userId, forecast } = visitor
      visitor.turnedAway = 0
      if (status.state === "waiting") {
        if (status.position > visitor.position) figures.violate(`${userId} went back in the line`)
        visitor.position = status.position
        figures.estimates.add(forecast, status)
        doNext(visitor, status.pollAfterSeconds)
      } else if (status.state === "admitted") {
        figures.estimates.recordAdmission(forecast, status.admittedAt!)
        const caller = { userId, queueToken: visitor.queueToken! }
        finishVisit(shop(office, sale, figures, caller, makeRandom(visitor.seed)))
      } else {
        figures.count("missed")
        remaining--
      }
    }

    /** Makes a call that returns a status. After `Overloaded`, the user tries again later. */
    const requestStatus = <A extends QueueTokenStatus, E extends { readonly _tag: string }>(
      visitor: Visitor,
      name: "join" | "poll",
      call: Effect.Effect<A, E>,
      keep: (answer: A) => void
    ): void => {
      const asked = Effect.map(Effect.result(figures.timeOnce(name, call)), (answer) => {
        if (Result.isSuccess(answer)) {
          keep(answer.success)
          applyStatus(visitor, answer.success)
        } else if (answer.failure._tag === "Overloaded") {
          figures.count("turnedAway")
          doNext(visitor, Math.min(waitSecondsMax, 2 ** visitor.turnedAway++))
        } else finishVisit(Effect.fail(answer.failure))
      })
      fork(
        Effect.catchCause(asked, (cause) => Effect.sync(() => finishVisit(Effect.failCause(cause))))
      )
    }

    const act = (visitor: Visitor): void => {
      const { userId, queueToken } = visitor
      figures.recordLateness(nowMs() - visitor.dueMs)
      if (queueToken === undefined) {
        const call = office.queue.join({ queueId: sale.queueId, userId })
        return requestStatus(visitor, "join", call, (joined) => {
          visitor.queueToken = joined.token
        })
      }
      // As a server does: from memory if the snapshot is fresh, and from the store otherwise.
      const begun = performance.now()
      const known = office.queue.peek({ userId, queueToken })
      if (known !== undefined && Result.isSuccess(known)) {
        figures.answeredFromMemory(performance.now() - begun)
        return applyStatus(visitor, known.success)
      }
      requestStatus(visitor, "poll", office.queue.status({ userId, queueToken }), () => {})
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
        forecast: figures.estimates.follow()
      })
    }
    while (remaining > 0) {
      let calls = 0
      for (const visitor of wheel.take(nowMs())) {
        act(visitor)
        if (++calls % callsInARow === 0) yield* Effect.yieldNow
      }
      yield* Effect.sleep(wheelStepMs)
    }
  }).pipe(Effect.scoped)
