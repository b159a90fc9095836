/** Cursors of lists: the start of a page as a text that is opaque to clients. */
import { RequestInvalid } from "@boxoffice/core/schema"
import { Effect, Schema } from "effect"

/** A cursor for a value; `null` if there is no next page. */
export const toCursor = (value: unknown): string | null =>
  value === null || value === undefined
    ? null
    : Buffer.from(JSON.stringify(value)).toString("base64url")

/** Decodes cursors that `toCursor` made of values of a schema. */
export const cursorOf = <S extends Schema.Codec<unknown>>(schema: S) => {
  const decode = Schema.decodeUnknownEffect(Schema.fromJsonString(schema), {
    onExcessProperty: "error"
  })
  return (cursor: string | undefined): Effect.Effect<S["Type"] | undefined, RequestInvalid> =>
    cursor === undefined
      ? Effect.succeed(undefined)
      : decode(Buffer.from(cursor, "base64url").toString()).pipe(
          Effect.mapError(
            () =>
              new RequestInvalid({
                errors: [{ path: "cursor", message: "expected the nextCursor of a page" }]
              })
          )
        )
}

interface PageQuery {
  readonly limit?: number | undefined
  readonly cursor?: string | undefined
}

/**
 * Makes the reader of a list whose cursors are values of a schema: it decodes the cursor of the
 * query, reads the page after it, and encodes the cursor of the next page.
 */
export const pagesOf = <S extends Schema.Codec<unknown>>(schema: S) => {
  const decode = cursorOf(schema)
  return <Item, E>(
    { limit, cursor }: PageQuery,
    read: (page: {
      readonly limit: number | undefined
      readonly after: S["Type"] | undefined
    }) => Effect.Effect<{ readonly items: ReadonlyArray<Item>; readonly next: unknown }, E>
  ) =>
    Effect.gen(function* () {
      const after = yield* decode(cursor)
      const { items, next } = yield* read({ limit, after })
      return { items, nextCursor: toCursor(next) }
    })
}
