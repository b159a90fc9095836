/** Box Office on Postgres: the store, the migrator of its schema, and who looks after it. @module */
export * as Doctor from "./Doctor.ts"
export * as Invariants from "./Invariants.ts"
export * as Migrator from "./Migrator.ts"
export * as Playground from "./Playground.ts"
export * as SqlStore from "./SqlStore.ts"
export type { HostStatement, InTransaction } from "./save/inTransaction.ts"
