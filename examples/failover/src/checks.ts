/** Compares the database with what the callers and the consumers were told. */
import { type Cluster, query } from "./cluster.ts"
import type { Consumer } from "./consumers.ts"
import type { Record } from "./load.ts"
import { sleep } from "./processes.ts"

/** Everything that differs. Empty: nothing acknowledged is lost, and nothing is there that was not asked for. */
export const differences = async (
  cluster: Cluster,
  record: Record
): Promise<ReadonlyArray<string>> => {
  const found: Array<string> = []
  const compare = <A>(
    what: string,
    told: ReadonlyMap<string, A>,
    stored: ReadonlyMap<string, A>
  ) => {
    for (const [id, value] of told) {
      if (!stored.has(id)) found.push(`lost: ${what} ${id} of ${value}`)
      else if (stored.get(id) !== value) {
        found.push(`${what} ${id} is ${stored.get(id)}, and the caller was told ${value}`)
      }
    }
    for (const [id, value] of stored) {
      if (!told.has(id)) found.push(`unasked: ${what} ${id} of ${value}`)
    }
  }
  const read = async (statement: string) => {
    const rows = await query(cluster.url, statement)
    return new Map(rows.map(({ id, value }) => [String(id), String(value)]))
  }
  compare(
    "transfer",
    record.transfers,
    await read("SELECT transfer_id AS id, user_id AS value FROM boxoffice.transfer")
  )
  compare(
    "balance",
    new Map(Array.from(record.balances, ([userId, balance]) => [userId, String(balance)])),
    await read("SELECT user_id AS id, balance AS value FROM boxoffice.wallet")
  )
  compare(
    "reservation",
    new Map(
      Array.from(record.reservations, ([id, { userId, seat, isPaid }]) => [
        id,
        `${userId} ${seat} ${isPaid ? "sold" : "held"}`
      ])
    ),
    await read(`SELECT r.reservation_id AS id,
        concat(user_id, ' ', s.performance_id, '/', seat_id, ' ', s.status) AS value
      FROM boxoffice.reservation r JOIN boxoffice.seat s USING (reservation_id)`)
  )
  const users = new Map(Array.from(record.tokens.keys(), (userId) => [userId, "1"]))
  compare(
    "number of queue tokens",
    users,
    await read(
      "SELECT user_id AS id, count(*) AS value FROM boxoffice.queue_token GROUP BY user_id"
    )
  )
  return found
}

/** The events that a consumer missed, received out of order, or received although they are not there. */
export const missedBy = async (
  cluster: Cluster,
  { name, received }: Consumer
): Promise<ReadonlyArray<string>> => {
  const stored = await eventsOf(cluster)
  const ids = stored.flatMap((row) => row.ids)
  await untilQuiet(() => ids.filter((id) => !received.ids.has(id)).length)
  const report = (what: string, events: ReadonlyArray<string>) =>
    events.length === 0
      ? []
      : [`${name}: ${events.length} events ${what}, such as ${events.slice(0, 5).join(", ")}`]
  const missing = ids.filter((id) => !received.ids.has(id))
  // Read again: the sweeper may have made more meanwhile.
  const existing = new Set((await eventsOf(cluster)).flatMap((row) => row.ids))
  const phantoms = Array.from(received.ids).filter((id) => !existing.has(id))
  const disordered = stored.flatMap(({ aggregate, ids }) => {
    // Newer ones may have come behind them. Those of a queue are of no aggregate.
    const order = received.ordered.get(aggregate ?? "")?.slice(0, ids.length) ?? ids
    return order.join() === ids.slice(0, order.length).join() ? [] : [`${aggregate}: ${order}`]
  })
  return [
    ...report("are missing", missing),
    ...report("do not exist", phantoms),
    ...report("came out of order", disordered)
  ]
}

/** Waits until nothing is left, or until no progress is made for a minute. */
const untilQuiet = async (left: () => number): Promise<void> => {
  let before = Number.POSITIVE_INFINITY
  for (let idle = 0; idle < 60; idle++) {
    const now = left()
    if (now === 0) return
    if (now < before) idle = 0
    before = now
    await sleep(1_000)
  }
}

/** The ids of all events in the database, in order, by aggregate; those of a queue have none. */
const eventsOf = async (cluster: Cluster) =>
  (await query(
    cluster.url,
    `SELECT aggregate_kind || ' ' || aggregate_id AS aggregate,
       array_agg(concat(batch_id, '-', position) ORDER BY batch_id, position) AS ids
     FROM boxoffice.outbox_event GROUP BY 1`
  )) as unknown as ReadonlyArray<{
    readonly aggregate: string | null
    readonly ids: ReadonlyArray<string>
  }>
