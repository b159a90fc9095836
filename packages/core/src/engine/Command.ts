/** The lanes that commands travel in, and the one way from a batch of them to the store. */
import { Context, type Effect, type Scope } from "effect"
import type { BoxOfficeStore } from "../BoxOfficeStore.ts"
import { type Batcher, makeBatchers } from "./Batcher.ts"
import { LoadPlan } from "./LoadPlan.ts"
import type { Rows } from "./Rows.ts"

/** How wide the lanes of each service are. */
export interface BatchOptions {
  /** Lanes side by side; each has at most one transaction in flight. */
  readonly batchers: number
  /** How many commands may wait in one lane before it answers `Overloaded`. */
  readonly capacity: number
  /** The most commands in one transaction. */
  readonly batchSize: number
}

const defaultBatches: BatchOptions = { batchers: 2, capacity: 20_000, batchSize: 1_000 }

/** The lane settings in force. */
export const BatchSettings = Context.Reference<BatchOptions>("@boxoffice/core/BatchSettings", {
  defaultValue: () => defaultBatches
})

/** A command: which lane it takes, which rows it needs, and how it is decided. */
export interface Command<A> {
  /** Commands of one key keep their order. */
  readonly key: string
  readonly plan: (plan: LoadPlan) => void
  /** Pure but for evolving the rows: it may run again on fresh ones. */
  readonly decide: (rows: Rows) => A
}

/** A batch's commands are decided in order, each on what the ones before it left. */
export const makeCommandBatchers = <A>(
  store: BoxOfficeStore["Service"],
  settings: BatchOptions
): Effect.Effect<Batcher<Command<A>, A>, never, Scope.Scope> =>
  makeBatchers({
    ...settings,
    keyOf: (command) => command.key,
    run: (batch) => {
      const plan = new LoadPlan()
      for (const command of batch) command.plan(plan)
      return store.transact(plan, (rows) =>
        withoutStacks(() => batch.map((command) => command.decide(rows)))
      )
    }
  })

/**
 * Refusals are answers, not accidents: where in a batch one was made tells nobody anything, and
 * noting it cost a tenth of the time of a refused hold.
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
