/**
 * Box Office on Postgres: the store, the migrator of its schema, the doctor and the invariants that
 * check a database, and the adapters for a host's own driver.
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
