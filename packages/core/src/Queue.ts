/** The waiting room: see `queue/decide.ts` for the rules, `queue/ticket.ts` for the token. */
import { Context, Effect, Layer, Result, Schedule, Schema, Stream } from "effect"
import { makeCommandLanes } from "./CommandLane.ts"
import { AlreadyExists } from "./catalog/errors.ts"
import type { IdempotencyConflict, Overloaded, RequestInvalid, StoreUnavailable } from "./Errors.ts"
import {
  answer,
  type CommandOptions,
  identify,
  recall,
  record,
  type Settled
} from "./Idempotency.ts"
import { isCatalogKey, QueueId, type TokenId, UserId } from "./Ids.ts"
import { checkInput, IdempotencyKey, Name, PageLimit, pageLimitDefault } from "./Input.ts"
import { LaneSettings } from "./Lanes.ts"
import { Policies, QueueSettings } from "./Policies.ts"
import type { PolicyRules } from "./policies/rules.ts"
import {
  decideAdmissions,
  decideExpiries,
  decideJoin,
  decideLeave,
  liveToken
} from "./queue/decide.ts"
import {
  type QueueClosed,
  QueueNotFound,
  QueueTokenInvalid,
  type QueueTokenRequired,
  QueueTokenWrongQueue
} from "./queue/errors.ts"
import { decidePresence } from "./queue/gate.ts"
import type {
  JoinedQueue,
  QueueMode,
  QueueRow,
  QueueTokenStatus,
  Queue as QueueView,
  TokenRow
} from "./queue/model.ts"
import { queueTokenStatus, tokenStateAt } from "./queue/status.ts"
import { type Ticket, Tickets } from "./queue/ticket.ts"
import type { Rows } from "./Rows.ts"
import { span } from "./Span.ts"
import { BoxOfficeStore, RowNames } from "./Store.ts"

export interface JoinInput extends CommandOptions {
  readonly userId: string
  readonly queueId: string
}

/** The answer to joining, and whether a token was made for it. */
export interface Joined extends JoinedQueue {
  readonly created: boolean
}

export interface PlaceInput {
  readonly userId: string
  readonly queueToken?: string | undefined
  /** Refuses a token of another queue. */
  readonly queueId?: string | undefined
}

export interface QueuesPage {
  readonly items: ReadonlyArray<QueueView>
  readonly next: QueueId | null
}

type Faults = RequestInvalid | Overloaded | StoreUnavailable
export type JoinError = QueueNotFound | QueueClosed | IdempotencyConflict | Faults
export type PlaceError = QueueTokenRequired | QueueTokenInvalid | QueueTokenWrongQueue | Faults

export class Queue extends Context.Service<
  Queue,
  {
    /** The user's place: the one they have, or a new one. With room they are in at once. */
    readonly join: (input: JoinInput) => Effect.Effect<Joined, JoinError>
    /** Where the user stands. Asking also moves the line on. */
    readonly status: (input: PlaceInput) => Effect.Effect<QueueTokenStatus, PlaceError>
    /** The status now and whenever it has changed, until the token has ended. */
    readonly changes: (input: PlaceInput) => Stream.Stream<QueueTokenStatus, PlaceError>
    /** Gives the place up. Doing so again changes nothing. */
    readonly leave: (input: PlaceInput) => Effect.Effect<void, PlaceError>

    /** Makes a queue, with the policies' settings where none are given. */
    readonly create: (input: {
      readonly queueId: string
      readonly settings?: Partial<QueueSettings> | undefined
    }) => Effect.Effect<QueueView, AlreadyExists | RequestInvalid | StoreUnavailable>
    readonly get: (queueId: string) => Effect.Effect<QueueView, QueueNotFound | StoreUnavailable>
    readonly list: (page: {
      readonly limit?: number | undefined
      readonly after?: string | undefined
    }) => Effect.Effect<QueuesPage, RequestInvalid | StoreUnavailable>
    /** Changes settings, effective from the next admission on. */
    readonly configure: (
      queueId: string,
      settings: Partial<QueueSettings>
    ) => Effect.Effect<QueueView, QueueNotFound | RequestInvalid | StoreUnavailable>
    /** `paused` lets nobody join or in; `draining` lets nobody join; `open` does both. */
    readonly setMode: (
      queueId: string,
      mode: QueueMode
    ) => Effect.Effect<QueueView, QueueNotFound | StoreUnavailable>
    /** Tidies lapsed tokens and lets in who is next, with nobody asking. For the sweeper. */
    readonly advance: (queueId: QueueId) => Effect.Effect<void, Overloaded | StoreUnavailable>
  }
>()("@boxoffice/core/Queue") {
  static readonly layer = Layer.effect(
    Queue,
    Effect.gen(function* () {
      const store = yield* BoxOfficeStore
      const tickets = yield* Tickets
      const policies = yield* Policies
      const lanes = yield* makeCommandLanes<QueueCommand, unknown>({
        ...(yield* LaneSettings),
        keyOf: (command) => command.queueId,
        run: (batch) => runQueueBatch(store, policies, batch)
      })
      const submit = <A>(command: QueueCommand<A>) =>
        lanes.submit(command) as Effect.Effect<A, Overloaded | StoreUnavailable>

      const join = Effect.fnUntraced(function* (input: JoinInput) {
        const { userId, queueId: name, idempotencyKey } = yield* checkJoin(input)
        if (!isCatalogKey(name)) return yield* new QueueNotFound()
        const queueId = name as QueueId
        const command = identify("join", userId, idempotencyKey, [queueId])
        const tokenId = command.commandId as string as TokenId
        const settled = yield* submit<Settled<Joined, JoinError>>({
          queueId,
          names: (names) => {
            if (command.fingerprint !== undefined) names.outcomes.add(command.commandId)
            names.members.push({ queueId, userId })
          },
          decide: (rows) => {
            if (rows.outcomes.get(command.commandId) !== undefined) {
              return {
                present: liveToken(rows, queueId, userId)?.tokenId,
                conclude: () => recall(rows, command)!
              }
            }
            const decided = decideJoin(rows, { queueId, userId, tokenId })
            if (Result.isSuccess(decided)) {
              for (const event of decided.success) rows.evolve(event)
              // The answer follows once the whole batch is decided. The key is taken from now on.
              record(rows, command, Result.succeed(undefined))
            }
            const token = liveToken(rows, queueId, userId)
            return {
              present: token?.tokenId,
              conclude: () =>
                record(
                  rows,
                  command,
                  Result.map(decided, (events) => ({
                    ...statusOf(rows, token!.tokenId),
                    token: tickets.sign({ queueId, userId, tokenId: token!.tokenId }),
                    created: events.length > 0
                  }))
                )
            }
          }
        })
        return yield* answer(settled, input)
      }, span("Queue.join"))

      const ticketOf = Effect.fnUntraced(function* (input: PlaceInput) {
        const { userId, queueToken, queueId } = yield* checkPlace(input)
        const ticket = yield* Effect.fromResult(tickets.verify(queueToken, userId))
        if (queueId !== undefined && queueId !== ticket.queueId) {
          // The only thing that can be said of a name that no queue can have is that it is wrong.
          const requiredQueueId = (isCatalogKey(queueId) ? queueId : "unknown") as QueueId
          return yield* new QueueTokenWrongQueue({ requiredQueueId })
        }
        return ticket
      })

      const poll = (ticket: Ticket) =>
        Effect.flatMap(
          submit<QueueTokenStatus | undefined>({
            queueId: ticket.queueId,
            names: (names) => names.tokens.add(ticket.tokenId),
            decide: (rows) => ({
              present: ticket.tokenId,
              conclude: () => rows.tokens.get(ticket.tokenId) && statusOf(rows, ticket.tokenId)
            })
          }),
          (status) => (status ? Effect.succeed(status) : Effect.fail(new QueueTokenInvalid()))
        )

      const status = Effect.fnUntraced(function* (input: PlaceInput) {
        return yield* poll(yield* ticketOf(input))
      }, span("Queue.status"))

      const changes = (input: PlaceInput): Stream.Stream<QueueTokenStatus, PlaceError> =>
        Stream.unwrap(
          Effect.map(ticketOf(input), (ticket) =>
            Stream.fromEffectSchedule(poll(ticket), Schedule.spaced("1 second")).pipe(
              Stream.takeUntil(({ state }) => state !== "waiting" && state !== "admitted"),
              Stream.changesWith(sameStatus)
            )
          )
        )

      const leave = Effect.fn("Queue.leave")(function* (input: PlaceInput) {
        const ticket = yield* ticketOf(input)
        const known = yield* submit<boolean>({
          queueId: ticket.queueId,
          names: (names) => names.tokens.add(ticket.tokenId),
          decide: (rows) => {
            for (const event of decideLeave(rows, ticket.tokenId)) rows.evolve(event)
            const known = rows.tokens.get(ticket.tokenId) !== undefined
            return { present: undefined, conclude: () => known }
          }
        })
        if (!known) return yield* new QueueTokenInvalid()
      })

      const find = Effect.fnUntraced(function* (queueId: string) {
        const row = isCatalogKey(queueId) ? yield* store.queue(queueId as QueueId) : undefined
        if (row === undefined) return yield* new QueueNotFound()
        return row
      })
      const get = (queueId: string) => Effect.map(find(queueId), toQueue)

      const create = Effect.fn("Queue.create")(function* (input: {
        readonly queueId: string
        readonly settings?: Partial<QueueSettings> | undefined
      }) {
        const { queueId } = yield* checkQueueId({ queueId: input.queueId })
        const settings = yield* checkSettings({ ...policies.queue, ...input.settings })
        const added = yield* store.addQueue(queueId, settings)
        if (added === "exists") return yield* new AlreadyExists({ kind: "queue" })
        return { queueId, mode: "open" as const, settings, waiting: 0, active: 0 }
      })

      const list = Effect.fn("Queue.list")(function* (input: {
        readonly limit?: number | undefined
        readonly after?: string | undefined
      }) {
        const { limit = pageLimitDefault, after } = yield* checkPage(input)
        const rows = yield* store.queues({ limit: limit + 1, after })
        const items = rows.slice(0, limit).map(toQueue)
        return { items, next: rows.length > limit ? items.at(-1)!.queueId : null }
      })

      const configure = Effect.fn("Queue.configure")(function* (
        queueId: string,
        change: Partial<QueueSettings>
      ) {
        const before = yield* find(queueId)
        const settings = yield* checkSettings({ ...before.settings, ...change })
        yield* store.configureQueue(before.queueId, { settings })
        return yield* get(queueId)
      })

      const setMode = Effect.fn("Queue.setMode")(function* (queueId: string, mode: QueueMode) {
        const { queueId: id } = yield* find(queueId)
        yield* store.configureQueue(id, { mode })
        return yield* get(id)
      })

      const advance = (queueId: QueueId) =>
        submit<void>({
          queueId,
          names: () => {},
          decide: () => ({ present: undefined, conclude: () => {} })
        })

      return Queue.of({
        join,
        status,
        changes,
        leave,
        create,
        get,
        list,
        configure,
        setMode,
        advance
      })
    })
  )
}

/** A command of a queue. Its answer is drawn up once the whole batch has been decided. */
interface QueueCommand<A = unknown> {
  readonly queueId: QueueId
  readonly names: (names: RowNames) => void
  readonly decide: (rows: Rows) => {
    /** The token of a user who is there to hear of being let in. */
    readonly present: TokenId | undefined
    readonly conclude: () => A
  }
}

/** Decides the commands in order, then lets in whoever is next, then answers. */
const runQueueBatch = (
  store: BoxOfficeStore["Service"],
  policies: PolicyRules,
  batch: ReadonlyArray<QueueCommand>
): Effect.Effect<ReadonlyArray<unknown>, StoreUnavailable> => {
  const names = new RowNames()
  const queueIds = new Set<QueueId>()
  for (const command of batch) {
    queueIds.add(command.queueId)
    names.queues.add(command.queueId)
    command.names(names)
  }
  return store.transact(names, (rows) => {
    for (const queueId of queueIds) {
      for (const event of decideExpiries(rows, queueId)) rows.evolve(event)
    }
    const decided = batch.map((command) => command.decide(rows))
    const present = new Set(decided.flatMap(({ present }) => (present ? [present] : [])))
    for (const queueId of queueIds) {
      for (const event of decideAdmissions(rows, queueId, present, policies)) rows.evolve(event)
    }
    for (const tokenId of present) {
      const token = rows.tokens.get(tokenId)
      if (token === undefined || token.claimed) continue
      if (tokenStateAt(token, rows.now) !== "admitted") continue
      for (const event of decidePresence(token, rows.now)) rows.evolve(event)
    }
    return decided.map(({ conclude }) => conclude())
  })
}

const statusOf = (rows: Rows, tokenId: TokenId): QueueTokenStatus => {
  const token: TokenRow = rows.tokens.get(tokenId)!
  return queueTokenStatus(token, rows.ahead(token), rows.now)
}

const sameStatus = (a: QueueTokenStatus, b: QueueTokenStatus): boolean =>
  a.state === b.state &&
  a.position === b.position &&
  a.expiresAt?.getTime() === b.expiresAt?.getTime()

const toQueue = ({ queueId, mode, settings, waiting, active }: QueueRow): QueueView => ({
  queueId,
  mode,
  settings,
  waiting,
  active
})

const checkJoin = checkInput(
  Schema.Struct({
    userId: UserId,
    queueId: Name,
    idempotencyKey: Schema.optional(IdempotencyKey)
  })
)
const checkPlace = checkInput(
  Schema.Struct({
    userId: UserId,
    queueToken: Schema.optional(Schema.String),
    queueId: Schema.optional(Name)
  })
)
const checkQueueId = checkInput(Schema.Struct({ queueId: QueueId }))
const checkSettings = checkInput(QueueSettings)
const checkPage = checkInput(
  Schema.Struct({ limit: Schema.optional(PageLimit), after: Schema.optional(QueueId) })
)
