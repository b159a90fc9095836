import type { SchemaName } from "../schemaName.ts"

/** The instant up to which rows of a kind were deleted because of their age. */
export const clearedUpTo = (
  schema: SchemaName,
  kind: "outbox" | "queue_token" | "reservation"
): string => `coalesce((SELECT up_to FROM ${schema}.cleared WHERE kind = '${kind}'), '-infinity')`
