/** What the role of the application may do: what the engine does, and nothing else. */
import type { SchemaName } from "../schemaName.ts"

/**
 * For each table and view, what the engine does with it. A row is locked by the right to update
 * it. The ledger and the record of migrations are never changed, and an outcome is only ever deleted
 * when it is old, so nobody who has only the application's password can change them.
 */
export const rights: Readonly<Record<string, string>> = {
  cleared: "SELECT, INSERT, UPDATE",
  command_outcome: "SELECT, INSERT, DELETE",
  event_consumer: "SELECT, INSERT, UPDATE, DELETE",
  ledger_entry: "SELECT",
  migration: "SELECT",
  outbox: "SELECT, INSERT, DELETE",
  outbox_event: "SELECT",
  performance: "SELECT, INSERT, UPDATE",
  queue: "SELECT, INSERT, UPDATE",
  queue_code: "SELECT, INSERT, UPDATE",
  queue_departure: "SELECT, INSERT, DELETE",
  queue_exit: "SELECT, INSERT, DELETE",
  queue_grant: "SELECT, INSERT, UPDATE, DELETE",
  queue_presence: "SELECT, INSERT, UPDATE, DELETE",
  queue_token: "SELECT, INSERT, UPDATE, DELETE",
  reservation: "SELECT, INSERT, UPDATE, DELETE",
  seat: "SELECT, INSERT, UPDATE",
  server_life: "SELECT, INSERT",
  show: "SELECT, INSERT",
  transfer: "SELECT, INSERT",
  wallet: "SELECT, INSERT, UPDATE",
  webhook_delivery: "SELECT, INSERT, UPDATE, DELETE"
}

/** Any name that Postgres allows, quoted. */
const roleName = (role: string): string => `"${role.replaceAll('"', '""')}"`

/** Gives the role exactly these rights in the schema: what it had there before is taken first. */
export const grantStatements = (schema: SchemaName, role: string): ReadonlyArray<string> => {
  const name = roleName(role)
  const tablesWith = (right: string) =>
    Object.keys(rights)
      .filter((table) => rights[table] === right)
      .map((table) => `${schema}.${table}`)
  return [
    `REVOKE ALL ON SCHEMA ${schema} FROM ${name}`,
    `REVOKE ALL ON ALL TABLES IN SCHEMA ${schema} FROM ${name}`,
    `GRANT USAGE ON SCHEMA ${schema} TO ${name}`,
    ...Array.from(
      new Set(Object.values(rights)),
      (right) => `GRANT ${right} ON ${tablesWith(right).join(", ")} TO ${name}`
    )
  ]
}
