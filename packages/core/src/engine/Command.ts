/** Commands, and how the batchers of a service run a batch of them in the store. */
import { Context, type Effect, type Scope } from "effect"
import type { BoxOfficeStore } from "../BoxOfficeStore.ts"
import { type Batcher, makeBatchers } from "./Batcher.ts"
import { LoadPlan } from "./LoadPlan.ts"
import type { Rows } from "./Rows.ts"
import type { RowLocks } from "./WaitingCommands.ts"

/** How many batchers each kind of command has, and how much they take. */
export interface BatchOptions {
  /** Batchers side by side; each has at most one transaction in flight. */
  readonly batchers: number
  /** How many commands may wait in one batcher before it answers `Overloaded`. */
  readonly capacity: number
  /** The most commands in one transaction. */
  readonly batchSize: number
}

const defaultBatches: BatchOptions = { batchers: 2, capacity: 20_000, batchSize: 1_000 }

/** The settings in force. */
export const BatchSettings = Context.Reference<BatchOptions>("@boxoffice/core/BatchSettings", {
  defaultValue: () => defaultBatches
})

/** A command: its key, its load plan, and how it is decided. */
export interface Command<A> {
  /** Commands of one key keep their order. */
  readonly key: string
  readonly plan: (plan: LoadPlan) => void
  /** Pure but for evolving the rows: it may run again on fresh ones. */
  readonly decide: (rows: Rows) => A
}

/**
 * Makes the batchers of one kind of command. A batch decides its commands in order, each on the rows as
 * the ones before it left them.
 */
export const makeCommandBatchers = <A>(
  store: BoxOfficeStore["Service"],
  settings: BatchOptions
): Effect.Effect<Batcher<Command<A>, A>, never, Scope.Scope> =>
  makeBatchers({
    ...settings,
    keyOf: (command) => command.key,
    locks: rowLocksOf<Command<A>>(store, planOf),
    run: (batch, waitsBriefly) => {
      const plan = planOf(batch)
      plan.waitsBriefly = waitsBriefly
      return store.transact(plan, (rows) =>
        withoutStacks(() => batch.map((command) => command.decide(rows)))
      )
    }
  })

const planOf = (batch: ReadonlyArray<{ readonly plan: (plan: LoadPlan) => void }>): LoadPlan => {
  const plan = new LoadPlan()
  for (const command of batch) command.plan(plan)
  return plan
}

/** How a batcher learns which rows commands lock, and which of them are locked by others. */
export const rowLocksOf = <C>(
  store: BoxOfficeStore["Service"],
  planOf: (batch: ReadonlyArray<C>) => LoadPlan
): RowLocks<C> => ({
  rowsOf: (command) => planOf([command]).lockKeys(),
  insertsOf: (command) => planOf([command]).insertKeys(),
  lockedRows: (commands) => store.lockedRows(planOf(commands))
})

/**
 * Refusals are answers and not accidents: where in a batch one was made helps no caller, and
 * capturing its stack took a tenth of the time of a refused hold.
 */
const withoutStacks = <A>(decide: () => A): A => {
  const limit = Error.stackTraceLimit
  Error.stackTraceLimit = 0
  try {
    return decide()
  } finally {
    Error.stackTraceLimit = limit
  }
}
