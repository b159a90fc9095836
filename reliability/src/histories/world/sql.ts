/** Statements of the harness itself, each on a connection of its own: no fault is in its way. */
import pg from "pg"

export type Sql = <Row = Record<string, unknown>>(
  statement: string,
  params?: ReadonlyArray<unknown>
) => Promise<ReadonlyArray<Row>>

export const openClient = async (url: string): Promise<pg.Client> => {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 })
  // A server that is killed takes this connection with it.
  client.on("error", () => {})
  await client.connect()
  return client
}

export const sqlOf =
  (url: string): Sql =>
  async (statement, params = []) => {
    const client = await openClient(url)
    try {
      const { rows } = await client.query(statement, [...params])
      return rows
    } finally {
      client.end().catch(() => {})
    }
  }
