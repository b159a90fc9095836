/** The rights of the application's role: those that the engine needs, and no others. */
import type { SchemaName } from "../schemaName.ts"

/**
 * The rights on each table and view. To lock a row takes the right to update it. The engine never
 * changes the ledger and the record of migrations, and only deletes outcomes, once they are old. So
 * with the application's password alone they cannot be changed.
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
  // Guard right-on-ledger: with "SELECT, INSERT, UPDATE" for "SELECT, INSERT", roles.test "is refused" fails.
  transfer: "SELECT, INSERT",
  wallet: "SELECT, INSERT, UPDATE",
  webhook_delivery: "SELECT, INSERT, UPDATE, DELETE"
}

/** Quotes a name; any name that Postgres allows. */
const roleName = (role: string): string => `"${role.replaceAll('"', '""')}"`

/** Gives the role exactly these rights in the schema: first revokes the ones it has there. */
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
