/** How users visit: they join, wait, choose seats, hold, charge and pay, each in their manner. */
import { type Money, money } from "@boxoffice/core"
import { Effect } from "effect"
import { Random } from "../random.ts"
import type { Outcome } from "./History.ts"
import type { Machine } from "./Machine.ts"
import type { Ask, Network } from "./Network.ts"
import type { Office } from "./Node.ts"
import type { Setup, Step, Visit } from "./plan.ts"

export const currency = "KRW"
export const performanceOf = (show: number): string => `p${show}`
export const seatOf = (index: number): string => `S${index}`
export const codeOf = (queueId: string): string => `code-of-${queueId}`

/** How a visit ended. Only `gaveUp` says that a user was not served who could have been. */
export type End =
  | "paid"
  | "released"
  | "left"
  | "idle"
  | "soldOut"
  | "queueClosed"
  | "limit"
  | "absent"
  | "gaveUp"

export interface VisitOptions {
  readonly machine: Machine
  readonly network: Network
  readonly setup: Setup
  readonly step: Step & Visit
  /** How long a user goes on, in milliseconds after the start of the world. */
  readonly untilMs: () => number
}

/** The fields of answers that a user reads. */
interface Joined {
  readonly token: string
  readonly state: string
  readonly pollAfterSeconds: number
}
interface Held {
  readonly reservationId: string
  readonly amount: Money
}
interface Seats {
  readonly seats: ReadonlyArray<{ readonly seatId: string; readonly status: string }>
}

type Stop = { readonly end: End }
const stop = (end: End): Stop => ({ end })
const isStop = (value: unknown): value is Stop =>
  typeof value === "object" && value !== null && "end" in value

export class Visitor {
  private readonly options: VisitOptions
  private readonly random: Random
  private readonly user: string
  private readonly queueId: string
  private readonly isGated: boolean
  private keys = 0
  private rounds = 0
  private token: string | undefined

  constructor(options: VisitOptions) {
    this.options = options
    const { step, setup, machine } = options
    this.random = new Random(`${machine.seed}/visit/${step.id}`)
    this.user = `u${step.user}`
    const { queueId, isGated } = setup.shows[step.show]!
    this.queueId = queueId
    this.isGated = isGated
  }

  /** The whole visit. A user whose session or hold ends starts again, as a person would. */
  get visit(): Effect.Effect<End> {
    const { manner } = this.options.step
    return Effect.gen({ self: this }, function* () {
      while (!this.isLate) {
        const inside = this.isGated ? yield* this.enter() : undefined
        if (isStop(inside)) return inside.end
        if (manner === "absent") return "absent"
        if (manner === "fickle") {
          if (this.options.step.ending === "release") yield* this.hold([seatOf(0)])
          const left = yield* this.leave()
          if (isStop(left)) return left.end
        }
        const bought = yield* this.buy()
        if (isStop(bought)) return bought.end
        yield* this.pause(500)
      }
      return "gaveUp"
    })
  }

  private get isLate(): boolean {
    return this.options.machine.elapsed() > this.options.untilMs()
  }

  /** Joins, and waits to be admitted. Stops if that cannot be. */
  private enter(): Effect.Effect<undefined | Stop> {
    return Effect.gen({ self: this }, function* () {
      const joined = yield* this.join()
      if (isStop(joined)) return joined
      this.token = joined.token
      const { manner } = this.options.step
      if (manner === "absent") return undefined
      if (manner === "fickle") return yield* Effect.as(this.pause(700), undefined)
      let { state, pollAfterSeconds } = joined
      while (state === "waiting" && !this.isLate) {
        yield* this.pause(Math.min(10, pollAfterSeconds) * 1_000)
        const { token: queueToken, user: userId } = this
        const polled = yield* this.ask("status", (office) =>
          office.queue.status({ userId, queueToken })
        )
        if (polled._tag === "ok") ({ state, pollAfterSeconds } = polled.value as Joined)
        // A token that ended a while ago is deleted: its user joins again.
        if (isRefusedAs(polled, "QueueTokenInvalid")) return undefined
      }
      return undefined
    })
  }

  private join(): Effect.Effect<Joined | Stop> {
    const { queueId, user: userId } = this
    const { withCode } = this.options.step
    return Effect.gen({ self: this }, function* () {
      let code = withCode ? codeOf(queueId) : undefined
      while (!this.isLate) {
        const given = code
        const joined = yield* this.keyed(
          "join",
          `${queueId} ${given ?? ""}`,
          (key) => (office) =>
            office.queue.join({ queueId, userId, code: given, idempotencyKey: key })
        )
        if (joined._tag === "ok") return joined.value as Joined
        if (joined._tag === "refused") {
          const { _tag, mode } = joined.error as { readonly _tag: string; readonly mode?: string }
          if (_tag === "QueueClosed" && mode === "closed") return stop("queueClosed")
          if (_tag === "QueueCodeInvalid") code = undefined
        }
        yield* this.pause(1_500)
      }
      return stop("gaveUp")
    })
  }

  /** Chooses seats, holds them, charges the wallet and pays. `undefined`: the user starts again. */
  private buy(): Effect.Effect<undefined | Stop> {
    const { ending, manner } = this.options.step
    return Effect.gen({ self: this }, function* () {
      const chosen = yield* this.choose()
      if (chosen === undefined || isStop(chosen)) return chosen
      // A person hurries after they have lost a hold by being slow.
      const isSlow = manner === "slow" && this.rounds++ === 0
      if (isSlow) yield* this.pause(6_000)
      const held = yield* this.hold(chosen)
      if (held === undefined || isStop(held)) return held
      if (isSlow) yield* this.pause(6_000)
      if (ending === "idle") return stop("idle")
      if (ending === "leave") return yield* this.leave()
      if (ending === "release") return yield* this.release(held)
      return yield* this.pay(held)
    })
  }

  private choose(): Effect.Effect<ReadonlyArray<string> | undefined | Stop> {
    const { show, seats: count, first } = this.options.step
    const performanceId = performanceOf(show)
    return Effect.gen({ self: this }, function* () {
      const { caller } = this
      yield* this.ask("dates", (office) =>
        office.catalog.availableDates({ ...caller, showId: `show${show}` })
      )
      const asked = yield* this.ask("seats", (office) =>
        office.catalog.availableSeats({ ...caller, performanceId, status: "all" })
      )
      if (asked._tag !== "ok") return undefined
      const { seats } = asked.value as Seats
      const free = seats.filter(({ status }) => status === "available")
      if (free.length === 0) {
        // Held seats may become free again, sold ones do not while the user waits.
        return seats.every(({ status }) => status === "sold") ? stop("soldOut") : undefined
      }
      const names = free.map(({ seatId }) => seatId)
      const from = names.indexOf(seatOf(first))
      const turned = from < 0 ? names : [...names.slice(from), ...names.slice(0, from)]
      return turned.slice(0, count)
    })
  }

  private hold(seatIds: ReadonlyArray<string>): Effect.Effect<Held | undefined | Stop> {
    const performanceId = performanceOf(this.options.step.show)
    const { caller } = this
    return Effect.gen({ self: this }, function* () {
      const hold =
        (seatIds: ReadonlyArray<string>) => (key: string | undefined) => (office: Office) =>
          office.reservations.hold({ ...caller, performanceId, seatIds, idempotencyKey: key })
      const others = [...seatIds, seatOf(7)]
      const held = yield* this.keyed("hold", `${performanceId} ${seatIds}`, hold(seatIds), {
        body: `${performanceId} ${others}`,
        ask: hold(others)
      })
      if (held._tag === "ok") return held.value as Held
      if (held._tag !== "refused") return undefined
      return held.error._tag === "LimitExceeded" ? stop("limit") : undefined
    })
  }

  private pay({ reservationId, amount }: Held): Effect.Effect<undefined | Stop> {
    const { caller } = this
    return Effect.gen({ self: this }, function* () {
      for (let attempt = 0; attempt < 4; attempt++) {
        const paid = yield* this.keyed(
          "pay",
          reservationId,
          (key) => (office) =>
            office.payments.pay({ ...caller, reservationId, idempotencyKey: key })
        )
        if (paid._tag === "ok") return stop("paid")
        if (paid._tag !== "refused") return undefined
        if (paid.error._tag === "ReservationNotPayable") return stop("paid")
        if (paid.error._tag !== "InsufficientBalance") return undefined
        const charged = yield* this.charge(amount)
        if (isStop(charged)) return charged
      }
      return undefined
    })
  }

  private charge(due: Money): Effect.Effect<undefined | Stop> {
    const { caller } = this
    const amount = money(due.amount, currency)
    return Effect.gen({ self: this }, function* () {
      const more = money(due.amount + 1n, currency)
      const charge = (amount: Money) => (key: string | undefined) => (office: Office) =>
        office.wallet.charge({ ...caller, amount, idempotencyKey: key })
      const charged = yield* this.keyed("charge", `${amount.amount}`, charge(amount), {
        body: `${more.amount}`,
        ask: charge(more)
      })
      const isTooMuch = charged._tag === "refused" && charged.error._tag === "LimitExceeded"
      return isTooMuch ? stop("limit") : undefined
    })
  }

  private release({ reservationId }: Held): Effect.Effect<undefined | Stop> {
    const { user: userId } = this
    const released = this.ask("release", (office) =>
      office.reservations.release({ userId, reservationId })
    )
    return Effect.map(released, ({ _tag }) => (_tag === "ok" ? stop("released") : undefined))
  }

  private leave(): Effect.Effect<undefined | Stop> {
    const { token: queueToken, user: userId } = this
    if (queueToken === undefined) return Effect.succeed(stop("left"))
    const left = this.ask("leave", (office) => office.queue.leave({ userId, queueToken }))
    return Effect.map(left, ({ _tag }) => (_tag === "ok" ? stop("left") : undefined))
  }

  private get caller() {
    return { userId: this.user, queueToken: this.token }
  }

  /** A call without a key. */
  private ask<A>(operation: string, ask: Ask<A>): Effect.Effect<Outcome> {
    const { network, step } = this.options
    const { user } = this
    return network.call({ operation, user, step: step.id }, this.node(), ask)
  }

  /**
   * A call with a key, until it is answered. Users without keys send it once: a second time it could
   * take effect again. Greedy users send it several times at once; repeating ones again later.
   */
  private keyed<A>(
    operation: string,
    body: string,
    ask: (key: string | undefined) => Ask<A>,
    other?: { readonly body: string; readonly ask: (key: string) => Ask<A> }
  ): Effect.Effect<Outcome> {
    const { network, step } = this.options
    const { user } = this
    const key = step.keyed ? `${step.id}-${++this.keys}` : undefined
    const asked = { operation, user, key, body, step: step.id }
    const send = Effect.suspend(() => network.call(asked, this.node(), ask(key)))
    return Effect.gen({ self: this }, function* () {
      let outcome = step.manner === "greedy" ? yield* firstAnswer([send, send, send]) : yield* send
      for (let again = 0; isUnanswered(outcome) && again < 8 && !this.isLate; again++) {
        yield* this.pause(Math.min(8_000, 300 * 2 ** again))
        if (key === undefined && operation !== "join") return outcome
        outcome = yield* send
      }
      if (step.manner === "repeating" && key !== undefined) {
        const late = this.random.between(100, 9_000)
        yield* Effect.forkDetach(Effect.andThen(this.pause(late), send))
        if (other !== undefined) {
          const misused = { ...asked, body: other.body }
          const misuse = Effect.suspend(() => network.call(misused, this.node(), other.ask(key)))
          yield* Effect.forkDetach(Effect.andThen(this.pause(late + 500), misuse))
        }
      }
      return outcome
    })
  }

  private node(): number {
    const { step, setup } = this.options
    return this.random.chance(0.6) ? step.node : this.random.below(setup.nodes.length)
  }

  private pause(ms: number): Effect.Effect<void> {
    return Effect.suspend(() => Effect.sleep(ms * (0.8 + 0.4 * this.random.next())))
  }
}

/** Sends calls at once, and takes the first answer that says something, if there is one. */
const firstAnswer = (calls: ReadonlyArray<Effect.Effect<Outcome>>): Effect.Effect<Outcome> =>
  Effect.map(
    Effect.all(calls, { concurrency: "unbounded" }),
    (outcomes) =>
      outcomes.find(({ _tag }) => _tag === "ok") ??
      outcomes.find((outcome) => !isUnanswered(outcome)) ??
      outcomes[0]!
  )

const isRefusedAs = (outcome: Outcome, tag: string): boolean =>
  outcome._tag === "refused" && outcome.error._tag === tag

/** Whether the user does not know what became of the call, or it was not tried. */
const isUnanswered = (outcome: Outcome): boolean =>
  outcome._tag === "unknown" ||
  (outcome._tag === "refused" && ["NoNode", "Overloaded"].includes(outcome.error._tag))
