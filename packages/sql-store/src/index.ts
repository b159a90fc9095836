/**
 * Box Office on Postgres: the store, the migrator of its schema, who looks after it, and what a
 * host's own driver has to do with them.
 *
 * @module
 */

export type { HostStatement, InTransaction } from "./batch/save/inTransaction.ts"
export { DatabaseInvalid, urlProblem } from "./connection/databaseSetting.ts"
export * as Doctor from "./Doctor.ts"
export * as Host from "./Host.ts"
export * as Invariants from "./Invariants.ts"
export * as Migrator from "./Migrator.ts"
export { type MigrateDatabaseOptions, migrate } from "./migrate.ts"
export {
  type OpenBoxOffice,
  type OpenOptions,
  openBoxOffice,
  type ServicesWithin
} from "./openBoxOffice.ts"
export * as ScratchSchema from "./ScratchSchema.ts"
export * as SqlStore from "./SqlStore.ts"
