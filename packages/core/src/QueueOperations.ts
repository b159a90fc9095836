/** The operators' half of the waiting room: see `queue/operate.ts` for the rules. */
import { randomBytes } from "node:crypto"
import { Effect, Result, Schema, Struct } from "effect"
import { BoxOfficeStore } from "./BoxOfficeStore.ts"
import type { AlreadyExists } from "./catalog/errors.ts"
import type {
  EngineFault,
  IdempotencyConflict,
  Overloaded,
  RequestInvalid,
  StoreUnavailable
} from "./Errors.ts"
import type { QueueEvent } from "./Events.ts"
import { evolve, evolveAll } from "./engine/evolve.ts"
import {
  type CommandIdentity,
  type CommandOptions,
  type Outcome,
  operatorCommandIdentity,
  planOutcome,
  recordedOutcome,
  recordOutcome,
  runOnce,
  toEffect
} from "./engine/Idempotency.ts"
import { checkInput, checkKey, Name, PageLimit, pageLimitDefault } from "./engine/input.ts"
import { LoadPlan } from "./engine/LoadPlan.ts"
import { pageOf } from "./engine/page.ts"
import type { Rows } from "./engine/Rows.ts"
import { traced } from "./engine/tracing.ts"
import { isQueueKey, QueueId } from "./Ids.ts"
import { GivenInstant } from "./Instant.ts"
import { Policies } from "./Policies.ts"
import { QueueSettings } from "./policies/settings.ts"
import { queueCodeHash } from "./queue/code.ts"
import { type QueueAlreadyOpen, type QueueClosed, QueueNotFound } from "./queue/errors.ts"
import { LiveQueues } from "./queue/live/LiveQueues.ts"
import {
  CodeUses,
  type PublicQueueInfo,
  QueueCodes,
  type QueueInfo,
  QueueMode
} from "./queue/model.ts"
import {
  decideCodes,
  decideConfigure,
  decideCreate,
  decideMode,
  decideReschedule
} from "./queue/operate.ts"
import { queueInfoIn, toPublicQueueInfo, toQueueInfo } from "./queue/views.ts"

export interface QueuesPage {
  readonly items: ReadonlyArray<QueueInfo>
  readonly next: QueueId | null
}

export interface QueueInput extends CommandOptions {
  readonly queueId: string
  readonly settings?: Partial<QueueSettings> | undefined
  readonly opensAt?: Date | undefined
}

/** A queue, and whether this call created it. */
export interface CreatedQueue extends QueueInfo {
  readonly created: boolean
}

export interface CodesInput extends CommandOptions {
  readonly queueId: string
  readonly codes: ReadonlyArray<string>
  readonly uses?: number | undefined
}

/** How many codes were set, and whether any of them is new. */
export interface AddedCodes {
  readonly queueId: QueueId
  readonly added: number
  readonly created: boolean
}

export type CreateQueueError =
  | AlreadyExists
  | IdempotencyConflict
  | RequestInvalid
  | StoreUnavailable
export type ConfigureError = QueueNotFound | IdempotencyConflict | EngineFault
export type SetModeError = QueueClosed | ConfigureError
export type RescheduleError = QueueAlreadyOpen | SetModeError
export type AddCodesError = QueueNotFound | IdempotencyConflict | RequestInvalid | StoreUnavailable

export interface QueueOperations {
  /**
   * Creates a queue. Settings that are left out come from the policies. With `opensAt` users can join
   * until then, and a draw decides their order: see `queue/lottery.ts`. If the queue exists with the
   * given settings and the same opening, gives it with `created: false`.
   */
  readonly create: (input: QueueInput) => Effect.Effect<CreatedQueue, CreateQueueError>
  readonly get: (queueId: string) => Effect.Effect<QueueInfo, QueueNotFound | StoreUnavailable>
  /**
   * The public part of a queue, with what a user needs to check its draw. A node reads the queue at most
   * once per `queueMaxAgeMs`, however many clients ask.
   */
  readonly notice: (
    queueId: string
  ) => Effect.Effect<PublicQueueInfo, QueueNotFound | Overloaded | StoreUnavailable>
  readonly list: (page: {
    readonly limit?: number | undefined
    readonly after?: string | undefined
  }) => Effect.Effect<QueuesPage, RequestInvalid | StoreUnavailable>
  /** Changes settings. They apply from the next admission on. */
  readonly configure: (
    queueId: string,
    settings: Partial<QueueSettings>,
    options?: CommandOptions
  ) => Effect.Effect<QueueInfo, ConfigureError>
  /**
   * Moves the opening of a queue that has not opened; `null` opens it at once. The draw keeps its seed.
   * An open or closed queue has no opening to move.
   */
  readonly reschedule: (
    queueId: string,
    opensAt: Date | null,
    options?: CommandOptions
  ) => Effect.Effect<QueueInfo, RescheduleError>
  /**
   * `open`: joins and admissions. `draining`: admissions, no new joins. `paused`: neither. `closed`:
   * neither, and the queue cannot open again. Every node applies it within `queueMaxAgeMs`.
   */
  readonly setMode: (
    queueId: string,
    mode: QueueMode,
    options?: CommandOptions
  ) => Effect.Effect<QueueInfo, SetModeError>
  /**
   * Sets codes that open the priority lane, and how many joins each is good for from now on. The store
   * keeps only their digests.
   */
  readonly addCodes: (input: CodesInput) => Effect.Effect<AddedCodes, AddCodesError>
}

/** @internal */
export const makeQueueOperations: Effect.Effect<
  QueueOperations,
  never,
  BoxOfficeStore | LiveQueues
> = Effect.gen(function* () {
  const store = yield* BoxOfficeStore
  const policies = yield* Policies
  const liveQueues = yield* LiveQueues

  const get = Effect.fnUntraced(function* (queueId: string) {
    const row = isQueueKey(queueId) ? yield* store.queue(queueId as QueueId) : undefined
    if (row === undefined) return yield* new QueueNotFound()
    return toQueueInfo(row)
  })

  const notice = Effect.fnUntraced(function* (queueId: string) {
    const row = isQueueKey(queueId) ? yield* liveQueues.read(queueId as QueueId) : undefined
    if (row === undefined) return yield* new QueueNotFound()
    return toPublicQueueInfo(row)
  }, traced("Queue.notice"))

  /** Decides with the queue's row locked, if it exists, so that no admission happens meanwhile. */
  const transactOnQueue = Effect.fnUntraced(function* <A, E>(
    input: CommandOptions,
    command: CommandIdentity,
    queueId: QueueId,
    decide: (rows: Rows) => Result.Result<A, E>,
    codes: LoadPlan["codes"] = []
  ) {
    const plan = new LoadPlan()
    planOutcome(plan, command)
    plan.queues.add(queueId)
    plan.codes.push(...codes)
    const outcome = yield* store.transact(plan, (rows) =>
      runOnce(rows, command, () => decide(rows))
    )
    return yield* toEffect<A, E>(outcome, input)
  })

  const create = Effect.fn("Queue.create")(function* (input: QueueInput) {
    const { idempotencyKey } = yield* checkKey(input)
    const { queueId, opensAt } = yield* checkCreate({
      queueId: input.queueId,
      opensAt: input.opensAt
    })
    const given = yield* checkChange(input.settings ?? {})
    const settings = yield* checkSettings({ ...policies.queue, ...given })
    const opening =
      opensAt === undefined
        ? null
        : {
            opensAt: opensAt.getTime(),
            seed: randomBytes(32).toString("hex"),
            openedAt: null
          }
    const content = [queueId, textOf(given), String(opensAt?.getTime())]
    const command = operatorCommandIdentity("createQueue", idempotencyKey, content)
    return yield* transactOnQueue(input, command, queueId, (rows) =>
      Result.map(
        decideCreate(rows, { queueId, settings, given, opening }),
        (event): CreatedQueue => {
          if (event !== undefined) {
            rows.addQueue(queueId, settings, opening)
            evolve(rows, event)
          }
          return { ...queueInfoIn(rows, queueId), created: event !== undefined }
        }
      )
    )
  })

  const list = Effect.fn("Queue.list")(function* (input: {
    readonly limit?: number | undefined
    readonly after?: string | undefined
  }) {
    const { limit = pageLimitDefault, after } = yield* checkPage(input)
    const rows = yield* store.queues({ limit: limit + 1, after })
    const page = pageOf(rows, limit, ({ queueId }) => queueId)
    return { ...page, items: page.items.map(toQueueInfo) }
  })

  /** Decides on the queue's row, and gives the queue as it is afterwards. */
  const operate = <E>(
    [operation, ...content]: readonly [string, ...ReadonlyArray<string>],
    queueId: string,
    options: CommandOptions,
    decide: (rows: Rows, queueId: QueueId) => Result.Result<ReadonlyArray<QueueEvent>, E>
  ) =>
    Effect.gen(function* () {
      const { idempotencyKey } = yield* checkKey(options)
      if (!isQueueKey(queueId)) return yield* new QueueNotFound()
      const id = queueId as QueueId
      const command = operatorCommandIdentity(operation, idempotencyKey, [id, ...content])
      const outcome = yield* liveQueues.submit<Outcome<QueueInfo, E>>({
        queueId: id,
        plan: (plan) => planOutcome(plan, command),
        decide: (rows) => {
          if (rows.outcomes.get(command.commandId) !== undefined) {
            return { onlineToken: undefined, reply: () => recordedOutcome(rows, command)! }
          }
          const decided = decide(rows, id)
          if (Result.isFailure(decided)) {
            const refused = recordOutcome<QueueInfo, E>(rows, command, Result.fail(decided.failure))
            return { onlineToken: undefined, reply: () => refused }
          }
          evolveAll(rows, decided.success)
          // The outcome follows once the whole batch is decided. The key is taken from now on.
          recordOutcome(rows, command, Result.succeed(undefined))
          return {
            onlineToken: undefined,
            reply: () => recordOutcome(rows, command, Result.succeed(queueInfoIn(rows, id)))
          }
        }
      })
      return yield* toEffect<QueueInfo, E>(outcome, options)
    })

  const configure = Effect.fn("Queue.configure")(function* (
    queueId: string,
    change: Partial<QueueSettings>,
    options: CommandOptions = {}
  ) {
    const settings = yield* checkChange(change)
    return yield* operate(["configureQueue", textOf(settings)], queueId, options, (rows, id) =>
      decideConfigure(rows, id, settings)
    )
  })

  const setMode = Effect.fn("Queue.setMode")(function* (
    queueId: string,
    mode: QueueMode,
    options: CommandOptions = {}
  ) {
    const checked = yield* checkMode({ mode })
    return yield* operate(["setMode", checked.mode], queueId, options, (rows, id) =>
      decideMode(rows, id, checked.mode)
    )
  })

  const reschedule = Effect.fn("Queue.reschedule")(function* (
    queueId: string,
    opensAt: Date | null,
    options: CommandOptions = {}
  ) {
    const at = (yield* checkReschedule({ opensAt })).opensAt?.getTime() ?? null
    return yield* operate(["rescheduleQueue", String(at)], queueId, options, (rows, id) =>
      decideReschedule(rows, id, at)
    )
  })

  const addCodes = Effect.fn("Queue.addCodes")(function* (input: CodesInput) {
    const { idempotencyKey } = yield* checkKey(input)
    const { queueId: name, codes, uses = 1 } = yield* checkCodes(input)
    if (!isQueueKey(name)) return yield* new QueueNotFound()
    const queueId = name as QueueId
    const hashed = codes.map((code) => ({
      queueId,
      codeHash: queueCodeHash(queueId, code),
      usesLeft: uses
    }))
    const content = [queueId, String(uses), ...hashed.map(({ codeHash }) => codeHash)]
    const command = operatorCommandIdentity("addCodes", idempotencyKey, content)
    const decide = (rows: Rows) =>
      Result.map(decideCodes(rows, queueId, { codes: codes.length, uses }), (event): AddedCodes => {
        const created = hashed.some(({ codeHash }) => !rows.code(queueId, codeHash))
        rows.addCodes(hashed)
        evolve(rows, event)
        return { queueId, added: codes.length, created }
      })
    return yield* transactOnQueue(input, command, queueId, decide, hashed)
  })

  return { create, get, notice, list, configure, setMode, reschedule, addCodes }
})

/** Settings as one text that does not depend on their order. */
const textOf = (settings: Partial<QueueSettings>): string =>
  JSON.stringify(Object.entries(settings).sort(([a], [b]) => (a < b ? -1 : 1)))

const checkCreate = checkInput(
  Schema.Struct({
    queueId: QueueId,
    opensAt: Schema.optional(GivenInstant)
  })
)
const checkSettings = checkInput(QueueSettings)
const checkChange = checkInput(QueueSettings.mapFields(Struct.map(Schema.optionalKey)))
const checkMode = checkInput(Schema.Struct({ mode: QueueMode }))
const checkReschedule = checkInput(Schema.Struct({ opensAt: Schema.NullOr(GivenInstant) }))
const checkCodes = checkInput(
  Schema.Struct({
    queueId: Name,
    codes: QueueCodes,
    uses: Schema.optional(CodeUses)
  })
)
const checkPage = checkInput(
  Schema.Struct({ limit: Schema.optional(PageLimit), after: Schema.optional(QueueId) })
)
