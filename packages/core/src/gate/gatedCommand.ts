/** The one path of a command that needs a queue token: hold, charge and pay. */
import { Effect, Result } from "effect"
import { BoxOfficeStore } from "../BoxOfficeStore.ts"
import type {
  IdempotencyConflict,
  Overloaded,
  RequestInvalid,
  StoreUnavailable
} from "../Errors.ts"
import type { QueueTokenExtended } from "../Events.ts"
import { type BatchOptions, BatchSettings, makeCommandBatchers } from "../engine/Command.ts"
import {
  type CommandOptions,
  commandIdentity,
  type Outcome,
  type OutcomeFromEffects,
  planOutcome,
  recordedOutcome,
  recordFromEffects,
  recordOutcome,
  submitOnce,
  toEffect
} from "../engine/Idempotency.ts"
import type { LoadPlan } from "../engine/LoadPlan.ts"
import type { Rows } from "../engine/Rows.ts"
import { traced } from "../engine/tracing.ts"
import { type Caller, Gate, type GateDecision, type GateError } from "../Gate.ts"
import type { CommandId, UserId } from "../Ids.ts"
import type { GatedOperation } from "../policies/settings.ts"
import type { QueueTokenPayload } from "../token/format.ts"
import type { GateDenial } from "./decide.ts"

/** What every gated command is given, once it has been checked. */
interface GatedInput {
  readonly userId: UserId
  readonly queueToken?: string | undefined
  readonly idempotencyKey?: string | undefined
}

/** A command while it runs: its input, its id, and the payload of its queue token if it needs one. */
export interface Running<Input> {
  readonly input: Input
  readonly commandId: CommandId
  /** Whether the caller gave an idempotency key, so that the command may have run before. */
  readonly isKeyed: boolean
  /** `undefined` if the host's policy does not gate the operation. */
  readonly payload: QueueTokenPayload | undefined
  /** Whether this is the second submission, with the rows that the first one lacked. */
  readonly isWide: boolean
}

/**
 * Returned by `check` or `decide` if the first submission lacks rows that few commands need. The command
 * then runs again with these rows (`isWide`).
 */
export const needsMoreRows = Symbol("needsMoreRows")

/** What a gated command is, from top to bottom in the order in which it happens. */
export interface GatedCommand<Input extends GatedInput, A, E> {
  readonly operation: GatedOperation
  readonly input: (given: Caller & CommandOptions) => Effect.Effect<Input, RequestInvalid>
  /** Whether the call needs no queue token, since an operator makes it. */
  readonly isUngated?: (input: Input) => boolean
  /** What the policy `gate` is asked about. */
  readonly about?: (input: Input) => { readonly performanceId: string }
  /** What the idempotency key stands for: the same key with other content is a conflict. */
  readonly content: (input: Input) => ReadonlyArray<string>
  /** Commands of one key keep their order. */
  readonly key: (input: Input) => string
  readonly plan: (plan: LoadPlan, command: Running<Input>) => void
  /** Decides the gate on the batch's own rows, and changes none of them. */
  readonly check: (rows: Rows, command: Running<Input>) => GateDecision | typeof needsMoreRows
  /** The outcome of a command that ran before, if its record was deleted: from the rows it made. */
  readonly fromEffects: (rows: Rows, command: Running<Input>) => OutcomeFromEffects<A> | undefined
  /**
   * Decides, and evolves the rows. `session` has the events by which passing the gate extends the
   * session: `decide` may evolve them even if it refuses, since the user made a call.
   */
  readonly decide: (
    rows: Rows,
    command: Running<Input>,
    session: ReadonlyArray<QueueTokenExtended>
  ) => Result.Result<A, E> | typeof needsMoreRows
  /** Whether `decide` always extends or ends the session itself, in a batch that has locked the token. */
  readonly changesSession?: boolean
}

interface Decided<A, E> {
  readonly outcome: Outcome<A, E | GateDenial>
  readonly gate: GateDecision
}

/** Makes a gated command. Its name is that of its span. */
export const makeGatedCommand = <Input extends GatedInput, A, E>(
  name: string,
  spec: GatedCommand<Input, A, E>,
  limits: Partial<BatchOptions> = {}
) =>
  Effect.gen(function* () {
    const store = yield* BoxOfficeStore
    const gate = yield* Gate
    const batcher = yield* makeCommandBatchers<Decided<A, E> | typeof needsMoreRows>(store, {
      ...(yield* BatchSettings),
      ...limits
    })

    return Effect.fnUntraced(function* (
      given: Caller & CommandOptions
    ): Effect.fn.Return<
      A,
      E | GateError | IdempotencyConflict | RequestInvalid | Overloaded | StoreUnavailable
    > {
      // 1. The input, then the token's signature: nothing is read for a call that cannot pass.
      const input = yield* spec.input(given)
      const payload = spec.isUngated?.(input)
        ? undefined
        : yield* gate.verify(spec.operation, input, spec.about?.(input))
      const { operation } = spec
      const identity = commandIdentity(
        operation,
        input.userId,
        input.idempotencyKey,
        spec.content(input)
      )
      const isKeyed = identity.fingerprint !== undefined

      const run = (
        isWide: boolean
      ): Effect.Effect<Decided<A, E>, IdempotencyConflict | Overloaded | StoreUnavailable> => {
        const command = { input, commandId: identity.commandId, isKeyed, payload, isWide }
        const submitted = submitOnce(
          batcher.submit,
          {
            key: spec.key(input),
            // 2. The rows that the batch needs for this command.
            plan: (plan: LoadPlan) => {
              planOutcome(plan, identity)
              spec.plan(plan, command)
            },
            // 3. On those rows: the outcome of an earlier run if there is one, whatever the gate says;
            //    else the gate, the rules, and the record.
            decide: (rows: Rows): Decided<A, E> | typeof needsMoreRows => {
              const gate = spec.check(rows, command)
              const known =
                recordedOutcome(rows, identity) ??
                recordFromEffects(rows, identity, spec.fromEffects(rows, command))
              if (known !== undefined) return { outcome: known, gate: gateOrNone(gate) }
              if (gate === needsMoreRows) return needsMoreRows
              // A denial is not recorded: the same key may pass the next time.
              // Guard gated-command: without it, gateService.test "refuses a waiting user" fails.
              if (Result.isFailure(gate)) return { outcome: denied(gate.failure), gate }
              const decided = spec.decide(rows, command, gate.success)
              if (decided === needsMoreRows) return needsMoreRows
              return { outcome: recordOutcome(rows, identity, decided), gate }
            }
          },
          // `plan` names the command's own row already, if the caller gave a key.
          () => {}
        )
        return Effect.flatMap(submitted, (decided) =>
          decided === needsMoreRows ? run(true) : Effect.succeed(decided)
        )
      }

      // 4. After the commit: the session is extended if that is due, and the caller gets the outcome.
      const decided = yield* run(false)
      if (!spec.changesSession) yield* gate.extendSession(payload, decided.gate)
      return yield* gate.withCurrentPosition(payload, toEffect(decided.outcome, given))
    }, traced(name))
  })

/** A command that ran before passes whatever the gate would say now. */
const gateOrNone = (gate: GateDecision | typeof needsMoreRows): GateDecision =>
  gate === needsMoreRows ? Result.succeed([]) : gate

const denied = (denial: GateDenial): Outcome<never, GateDenial> => ({
  result: Result.fail(denial),
  replayed: false
})
