/** Box Office on Postgres: the store, the migrator of its schema, and its doctor. @module */
export * as Doctor from "./Doctor.ts"
export * as Migrator from "./Migrator.ts"
export * as SqlStore from "./SqlStore.ts"
