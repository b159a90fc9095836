/** One page of a list. */
export interface Page<Row, Cursor> {
  readonly items: ReadonlyArray<Row>
  /** Where the next page begins; `null` on the last. */
  readonly next: Cursor | null
}

/**
 * The first `limit` of the rows. The caller reads `limit + 1` rows: one more than a page has shows
 * whether there is a next page.
 */
export const pageOf = <Row, Cursor>(
  rows: ReadonlyArray<Row>,
  limit: number,
  cursorOf: (last: Row) => Cursor
): Page<Row, Cursor> => {
  const items = rows.slice(0, limit)
  const last = items.at(-1)
  return { items, next: rows.length > limit && last !== undefined ? cursorOf(last) : null }
}
