/** Runs a batch inside a transaction that the caller begins and ends: load, decide, save. */
import { randomUUID } from "node:crypto"
import type { LoadPlan, Rows } from "@boxoffice/core/store"
import { Effect } from "effect"
import type { SqlError } from "effect/sql/SqlError"
import type { Attempt } from "../batch/commit.ts"
import { makeLoad } from "../batch/load/load.ts"
import type { InTransaction } from "../batch/save/inTransaction.ts"
import { makeSave } from "../batch/save/save.ts"
import { Pipeline } from "../Pipeline.ts"
import type { SchemaName } from "../schemaName.ts"
import { type Run, runEach } from "./client.ts"
import { refusedBy } from "./driverFailure.ts"

export interface Decided<A> {
  readonly outcome: A
  /** The attempt's id, by which the store finds out about a lost commit. */
  readonly attempt: Attempt
}

/** Builds the statements once for a schema. */
export const makeBatch = (
  schema: SchemaName,
  { inTransaction }: { readonly inTransaction?: InTransaction | undefined } = {}
) => {
  const load = makeLoad(schema)
  const save = makeSave(schema, inTransaction)

  return <A>(
    run: Run,
    plan: LoadPlan,
    decide: (rows: Rows) => A
  ): Effect.Effect<Decided<A>, SqlError> =>
    Effect.gen(function* () {
      const loading = new Pipeline()
      const loaded = load(loading, plan)
      yield* runEach(run, loading)
      const read = loaded()
      const refused = refusedBy(read.clock)
      if (refused !== undefined) return yield* Effect.fail(refused)
      const outcome = decide(read.rows)
      const attemptId = randomUUID()
      const saving = new Pipeline()
      save(saving, read, attemptId)
      yield* runEach(run, saving)
      return { outcome, attempt: { attemptId, xid: read.clock.xid } }
    })
}
