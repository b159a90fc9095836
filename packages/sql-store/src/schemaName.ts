/** The name of the schema that holds the tables: checked once, then quoted wherever it appears. */

/** A schema's name, quoted, so that it can stand in a statement. */
export type SchemaName = string & { readonly SchemaName: unique symbol }

const plain = /^[a-z_][a-z0-9_]{0,62}$/

/** Whether a schema can have this name. */
export const isSchemaName = (name: string): boolean =>
  plain.test(name) && !name.startsWith("pg_") && name !== "information_schema"

/** Quotes a schema's name. Dies on one that is not plain lower case, or is Postgres' own. */
export const schemaName = (name: string): SchemaName => {
  if (!isSchemaName(name)) {
    throw new Error(
      `"${name}" cannot name the schema: expected 1 to 63 of a-z, 0-9 and _, not beginning with a digit or pg_`
    )
  }
  return `"${name}"` as SchemaName
}
