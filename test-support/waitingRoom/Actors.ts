/** The users and operators of a room, and their actions. */
import { Effect, Result } from "effect"
import { expect } from "vitest"
import { QueueTokenWaiting, readQueueToken } from "../../packages/core/src/index.ts"
import type { Answers, Status } from "./Answers.ts"
import type { Ledger } from "./Ledger.ts"
import { type Ask, performanceId, type Room } from "./room.ts"
import type { Step } from "./steps.ts"

const price = { amount: 1n, currency: "KRW" }
const code = "first-in-line"
const seatsThere = 60
const holdRefusals = ["QueueTokenExpired", "QueueTokenWaiting", "SeatUnavailable", "LimitExceeded"]

/** A user and their queue token. */
interface Person {
  readonly userId: string
  queueToken: string | undefined
}

/** A join with an idempotency key, and its first response. */
interface Request {
  readonly userId: string
  readonly queueId: string
  readonly code: string | undefined
  readonly idempotencyKey: string
  answered: unknown
  /** A response was lost, so the next one may be a recorded one. */
  isLost: boolean
}

export type ActorStep = Exclude<
  Step,
  { readonly _tag: "wait" | "minutes" | "seconds" | "restart" | "cut" | "together" }
>

export class Actors {
  private readonly people: Array<Person> = []
  private readonly requests: Array<Request> = []
  private readonly checks: Array<() => void> = []
  private readonly room: Room
  private readonly ledger: Ledger
  private readonly answers: Answers
  private seatsAsked = 0
  private keys = 0
  /** While connections break, every call may fail. */
  private isBreaking = false

  constructor(room: Room, ledger: Ledger, answers: Answers) {
    this.room = room
    this.ledger = ledger
    this.answers = answers
  }

  /** Adds the show behind the queue, and the code of its priority lane. */
  get openHouse(): Effect.Effect<void> {
    const { queueId } = this.room
    const sales = { salesOpenAt: null, salesCloseAt: null }
    const startsAt = new Date("2999-01-01T10:00:00Z")
    const seats = Array.from({ length: seatsThere }, (_, i) => ({
      seatId: `S${i}`,
      section: "A",
      row: "1",
      number: String(i),
      price
    }))
    const performance = performanceId(queueId)
    return Effect.asVoid(
      this.ask(0, ({ queue, catalog }) =>
        Effect.gen(function* () {
          yield* queue.addCodes({ queueId, codes: [code], uses: 1_000_000 })
          yield* catalog.addShow({ showId: queueId, title: "Gala", queueId, ...sales })
          yield* catalog.addPerformance({
            performanceId: performance,
            showId: queueId,
            startsAt,
            timeZone: "Asia/Seoul"
          })
          yield* catalog.addSeats({ performanceId: performance, seats })
        })
      )
    )
  }

  /** Checks the responses of a step, after the ledger has its events. */
  check(): void {
    for (const check of this.checks.splice(0)) check()
  }

  /** The user with a number, modulo their count. */
  personAt(who: number): Person | undefined {
    return this.people[who % Math.max(1, this.people.length)]
  }

  /** The admitted user with a number, modulo their count. */
  private admittedUser(who: number): Person | undefined {
    const { inside } = this.ledger
    const visit = inside[who % Math.max(1, inside.length)]
    return this.people.find(({ userId }) => userId === visit?.userId)
  }

  get nextUser(): number {
    return this.people.length + 1
  }

  requestAt(back: number): Request | undefined {
    return this.requests.at(-1 - back)
  }

  act(step: ActorStep): Effect.Effect<unknown> {
    switch (step._tag) {
      case "join":
        return this.joinMany(step.size, step.priority, step.node)
      case "joinByKey":
        return this.joinByKey(step.node, this.newPerson(), step.priority)
      case "joinAgain": {
        const person = this.personAt(step.who)
        if (person === undefined) return Effect.void
        return step.keyed
          ? this.joinByKey(step.node, person, false)
          : this.join(step.node, person, false)
      }
      case "repeat": {
        const request = this.requestAt(step.back)
        return request === undefined ? Effect.void : this.send(step.node, request)
      }
      case "poll":
        return this.poll(step.node, this.personAt(step.who))
      case "pollAll":
        return this.pollEach(step.node, 1)
      case "leave":
        return this.leave(step.node, this.personAt(step.who))
      case "leaveMany": {
        const waiting = this.ledger.waits.filter((_, i) => i % step.every === 0)
        return each(waiting, ({ userId }) =>
          this.leave(
            step.node,
            this.people.find((person) => person.userId === userId)
          )
        )
      }
      case "buy":
        return this.buy(step.node, this.admittedUser(step.who))
      case "hold":
        return this.hold(step.node, this.personAt(step.who))
      default:
        return this.operate(step)
    }
  }

  /** Performs a step of an operator. */
  private operate(
    step: Extract<Step, { readonly _tag: "mode" | "configure" | "reschedule" }>
  ): Effect.Effect<unknown> {
    const { queueId } = this.room
    const refusals = ["QueueClosed", "QueueAlreadyOpen"]
    return this.ask(
      step.node,
      ({ queue }): Effect.Effect<unknown, { readonly _tag: string }> => {
        if (step._tag === "mode") return queue.setMode(queueId, step.mode)
        if (step._tag === "configure") return queue.configure(queueId, step.change)
        const at = this.room.now() - this.room.offset() + step.inMs
        return queue.reschedule(queueId, step.inMs === 0 ? null : new Date(at))
      },
      refusals
    )
  }

  /** Performs a step while a node's connections break. */
  duringCut(step: Extract<Step, { readonly _tag: "cut" }>): Effect.Effect<unknown> {
    return Effect.suspend(() => {
      this.isBreaking = true
      return this.room.cut(step.node, step.isLost, this.act({ ...step.during, node: step.node }))
    }).pipe(
      Effect.ensuring(
        Effect.sync(() => {
          this.isBreaking = false
        })
      )
    )
  }

  /** Every user, or each n-th one, polls. Returns their number. */
  pollEach(node: number, every: number): Effect.Effect<number> {
    const asking = this.people.filter((_, i) => i % every === 0)
    return Effect.as(
      each(asking, (person) => this.poll(node, person)),
      asking.length
    )
  }

  /** The last waiting user polls. Returns 1, or 0 if no user waits. */
  pollWaiting(node: number): Effect.Effect<number> {
    const holding = new Map(this.people.map((person) => [person.userId, person]))
    const last = this.ledger.waits
      .map(({ userId }) => holding.get(userId)!)
      .findLast(({ queueToken }) => queueToken !== undefined)
    return last === undefined ? Effect.succeed(0) : Effect.as(this.poll(node, last), 1)
  }

  /** New users join at the same time. */
  joinMany(size: number, priority: boolean, node = 0): Effect.Effect<unknown> {
    const people = Array.from({ length: size }, () => this.newPerson())
    return each(people, (person) => this.join(node, person, priority))
  }

  private newPerson(): Person {
    const person = { userId: `u${this.nextUser}`, queueToken: undefined }
    this.people.push(person)
    return person
  }

  private join(node: number, person: Person, priority: boolean): Effect.Effect<unknown> {
    const { queueId } = this.room
    const { userId } = person
    return Effect.map(
      this.ask(
        node,
        ({ queue }) => queue.join({ queueId, userId, code: priority ? code : undefined }),
        ["QueueClosed"]
      ),
      (result) => this.checkJoin(node, person, result)
    )
  }

  private joinByKey(node: number, person: Person, priority: boolean): Effect.Effect<unknown> {
    const request = {
      userId: person.userId,
      queueId: this.room.queueId,
      code: priority ? code : undefined,
      idempotencyKey: `k${++this.keys}`,
      answered: undefined,
      isLost: false
    }
    this.requests.push(request)
    return this.send(node, request)
  }

  /** Sends a join with a key, the first time or again. */
  private send(node: number, request: Request): Effect.Effect<unknown> {
    const { answered: _, isLost: __, ...input } = request
    const person = this.people.find(({ userId }) => userId === request.userId)!
    return Effect.map(
      this.ask(node, ({ queue }) => queue.join(input), ["QueueClosed"]),
      (result) => {
        const { idempotencyKey, answered } = request
        if (Result.isFailure(result) && isFault(result.failure)) {
          request.isLost = true
          return
        }
        if (answered === undefined && request.isLost) {
          if (Result.isSuccess(result)) request.answered = result.success
          return
        }
        if (answered === undefined) {
          // The engine does not record a refusal of a closed queue.
          if (Result.isSuccess(result)) request.answered = result.success
          return this.checkJoin(node, person, result)
        }
        this.ledger.count("answered again")
        this.checks.push(() =>
          expect(result, `the answer to ${idempotencyKey}, once more`).toEqual(
            Result.succeed(answered)
          )
        )
      }
    )
  }

  private checkJoin(
    node: number,
    person: Person,
    result: Result.Result<Status & { readonly token: string }, { readonly _tag: string }>
  ): void {
    if (Result.isFailure(result)) {
      if (isFault(result.failure)) return
      this.checks.push(() => {
        const modes = this.ledger.snapshots.slice(-8).map(({ mode }) => mode)
        const isOpen = modes.every((mode) => mode === "open")
        expect(isOpen, `${person.userId} gets QueueClosed while the queue is open`).toBe(false)
      })
      return
    }
    const { token, ...status } = result.success
    person.queueToken = token
    this.checkStatus(node, person, status)
    const payload = readQueueToken(token)!
    this.checks.push(() => {
      const visit = this.ledger.visits.get(payload.tokenId)
      expect(
        visit && { userId: visit.userId, lane: visit.lane, number: visit.number },
        "the payload of the queue token"
      ).toEqual({
        userId: person.userId,
        lane: payload.entry?.lane,
        number: payload.entry?.number
      })
    })
  }

  private poll(node: number, person: Person | undefined): Effect.Effect<unknown> {
    if (person?.queueToken === undefined) return Effect.void
    const { userId, queueToken } = person
    return Effect.map(
      this.ask(node, ({ queue }) => queue.status({ userId, queueToken })),
      (result) => {
        if (Result.isFailure(result)) return
        this.checkStatus(node, { userId, queueToken }, result.success)
        if (result.success.state === "waiting") this.recordPresence(node, queueToken)
      }
    )
  }

  private leave(node: number, person: Person | undefined): Effect.Effect<unknown> {
    if (person?.queueToken === undefined) return Effect.void
    const { userId, queueToken } = person
    return this.ask(node, ({ queue }) => queue.leave({ userId, queueToken }))
  }

  private buy(node: number, person: Person | undefined): Effect.Effect<unknown> {
    if (person?.queueToken === undefined) return Effect.void
    const { userId, queueToken } = person
    const seatIds = [this.nextSeat()]
    const asked = { userId, queueToken, performanceId: performanceId(this.room.queueId), seatIds }
    return this.ask(
      node,
      ({ reservations, wallet, payments }) =>
        Effect.gen(function* () {
          yield* wallet.charge({ userId, amount: price })
          const { reservationId } = yield* reservations.hold(asked)
          yield* payments.pay({ userId, queueToken, reservationId })
        }),
      holdRefusals
    )
  }

  private hold(node: number, person: Person | undefined): Effect.Effect<unknown> {
    if (person?.queueToken === undefined) return Effect.void
    const { userId, queueToken } = person
    const seatIds = [this.nextSeat()]
    const asked = { userId, queueToken, performanceId: performanceId(this.room.queueId), seatIds }
    return Effect.map(
      this.ask(node, ({ reservations }) => reservations.hold(asked), holdRefusals),
      (result) => {
        if (!Result.isFailure(result) || !(result.failure instanceof QueueTokenWaiting)) return
        this.ledger.count("refused a hold")
        this.checkRefusal(node, { userId, queueToken }, result.failure)
      }
    )
  }

  /** A user who was admitted while the refusal was made gets position 1 in it. */
  private checkRefusal(node: number, person: Person, status: Status): void {
    const { tokenId } = readQueueToken(person.queueToken!)!
    const name = this.room.nameOf(node)
    const moment = this.moment()
    this.checks.push(() => {
      const isIn = this.ledger.visits.get(tokenId)?.state === "admitted"
      if (isIn && status.position === 1) this.ledger.count("refused, and let in since")
      else this.answers.check({ node: name, tokenId, status }, moment)
    })
  }

  private moment() {
    return { elapsed: this.room.elapsed(), now: this.room.now(), offset: this.room.offset() }
  }

  private nextSeat(): string {
    return `S${this.seatsAsked++ % seatsThere}`
  }

  private checkStatus(node: number, person: Person, status: Status): void {
    const { tokenId } = readQueueToken(person.queueToken!)!
    const name = this.room.nameOf(node)
    const moment = this.moment()
    this.checks.push(() => this.answers.check({ node: name, tokenId, status }, moment))
  }

  /** Records the presence of a user whose poll returned `waiting`. */
  private recordPresence(node: number, queueToken: string): void {
    const { tokenId } = readQueueToken(queueToken)!
    const sighting = { tokenId, node: this.room.nameOf(node), at: this.room.now() }
    if (!this.isBreaking) this.checks.push(() => this.ledger.recordPresence(sighting))
  }

  /**
   * Calls a node. Fails on errors other than these refusals, and on faults unless connections
   * break.
   */
  private ask<A, E extends { readonly _tag: string }>(
    node: number,
    question: Ask<A, E>,
    refusals: ReadonlyArray<string> = []
  ): Effect.Effect<Result.Result<A, E>> {
    const isInCut = this.isBreaking
    return Effect.map(this.room.node(node).ask(question), (result) => {
      if (Result.isFailure(result)) {
        const { failure } = result
        const isAnswer = refusals.includes(failure._tag) || (isInCut && isFault(failure))
        if (!isAnswer) throw new Error(`${failure._tag}: ${String(failure)}`)
        this.ledger.count(`refused: ${failure._tag}`)
      }
      return result
    })
  }
}

const isFault = ({ _tag }: { readonly _tag: string }): boolean =>
  _tag === "StoreUnavailable" || _tag === "Overloaded"

const each = <A>(items: ReadonlyArray<A>, act: (item: A) => Effect.Effect<unknown>) =>
  Effect.all(items.map(act), { concurrency: "unbounded", discard: true })
