/** Where a page of a list begins, as a text that means nothing to a client. */
import { RequestInvalid } from "@boxoffice/core/schema"
import { Effect, Schema } from "effect"

/** A cursor for a value; `null` where there is no next page. */
export const toCursor = (value: unknown): string | null =>
  value === null || value === undefined
    ? null
    : Buffer.from(JSON.stringify(value)).toString("base64url")

/** Reads cursors that `toCursor` made of values that fit a schema. */
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
