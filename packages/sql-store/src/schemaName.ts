/** The name of the schema that holds the tables: checked once, then quoted wherever it is used. */

/** A schema's name, quoted for use in a statement. */
export type SchemaName = string & { readonly SchemaName: unique symbol }

const plain = /^[a-z_][a-z0-9_]{0,62}$/

/** Whether this is an allowed name of a schema. */
export const isSchemaName = (name: string): boolean =>
  plain.test(name) && !name.startsWith("pg_") && name !== "information_schema"

/** Quotes a schema's name. Throws if it is not plain lower case, or is reserved by Postgres. */
export const schemaName = (name: string): SchemaName => {
  if (!isSchemaName(name)) {
    throw new Error(
      `"${name}" cannot name the schema: expected 1 to 63 of a-z, 0-9 and _, not beginning with a digit or pg_`
    )
  }
  return `"${name}"` as SchemaName
}
