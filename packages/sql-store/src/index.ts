/** Box Office on Postgres: the store, and the migrator of its schema. @module */
export * as Migrator from "./Migrator.ts"
export * as SqlStore from "./SqlStore.ts"
