/** Payments for distinct holds from distinct wallets: token, wallet, entries, reservation, seat. */
import { againstItself, againstPgbench, type Scenario } from "../scenario.ts"
import type { World } from "../world.ts"
import { idOf, reservationKind, sqlId, tokenKind } from "../world.ts"

/**
 * The same in one statement; client c pays for the holds from c × share on. A colon is written as
 * `chr(58)`, because pgbench reads a colon as the start of a variable.
 */
const payScript =
  (holdsPerRound: number) =>
  (performanceId: string, users: number): string =>
    `
\\set i :i + 1
\\set n :client_id * ${Math.floor(holdsPerRound / 16)} + :i
\\set u :n % ${users}
WITH token AS (
  UPDATE boxoffice.queue_token SET state = 'completed', ended_at = clock_timestamp()
  WHERE token_id = ${sqlId(tokenKind, ":u")} AND state = 'admitted'
    AND expires_at > clock_timestamp()
  RETURNING token_id, queue_id, user_id
), confirmed AS (
  UPDATE boxoffice.reservation r
  SET status = 'confirmed', confirmed_at = clock_timestamp(), payment_id = reservation_id
  FROM token
  WHERE reservation_id = ${sqlId(reservationKind(performanceId), ":n")}
    AND r.user_id = token.user_id AND status = 'held' AND hold_expires_at > clock_timestamp()
  RETURNING r.*
), debited AS (
  UPDATE boxoffice.wallet w SET balance = balance - amount, version = version + 1
  FROM confirmed c
  WHERE w.user_id = c.user_id AND w.balance >= c.amount AND w.currency = c.currency
  RETURNING w.*
), entered AS (
  INSERT INTO boxoffice.transfer (transfer_id, kind, user_id, counter_account, amount, currency,
    version, balance, reservation_id, made_at)
  SELECT payment_id, 'payment', d.user_id, 'revenue' || chr(58) || 'bench', -amount, d.currency, d.version,
    d.balance, reservation_id, confirmed_at
  FROM confirmed, debited d
), sold AS (
  UPDATE boxoffice.seat s SET status = 'sold', held_until = NULL, changes = changes + 1
  FROM confirmed c
  WHERE s.performance_id = c.performance_id AND s.seat_id = c.seats -> 0 ->> 'seatId'
    AND s.reservation_id = c.reservation_id
)
INSERT INTO boxoffice.outbox (occurred_at, events)
SELECT confirmed_at, json_build_array(
  json_build_object('_tag', 'ReservationPaid', 'paymentId', payment_id, 'reservationId',
    reservation_id, 'performanceId', performance_id, 'showId', 'bench', 'userId', c.user_id,
    'seatIds', json_build_array(seats -> 0 ->> 'seatId'), 'amount',
    json_build_object('amount', amount::text, 'currency', currency), 'at',
    (extract(epoch FROM confirmed_at) * 1000)::bigint),
  json_build_object('_tag', 'QueueTokenCompleted', 'tokenId', token_id, 'queueId', queue_id,
    'userId', t.user_id, 'at', (extract(epoch FROM confirmed_at) * 1000)::bigint))
FROM confirmed c, token t;
`

const callOf = (world: World, performanceId: string, holdsPerRound: number) => (n: number) =>
  n >= holdsPerRound
    ? undefined
    : world.office.payments.pay({
        ...world.caller(n),
        reservationId: idOf(reservationKind(performanceId), n)
      })

const prepare =
  (holdsPerRound: number) =>
  async (world: World): Promise<string> => {
    const performanceId = await world.addPerformance(holdsPerRound)
    await world.holdAll(performanceId, holdsPerRound)
    await world.readmitAll()
    return performanceId
  }

export const pays = (callers: number, holdsPerRound: number, target: number): Scenario =>
  againstPgbench({
    name: "pays from distinct wallets",
    callers,
    target,
    prepare: prepare(holdsPerRound),
    call: (world, performanceId) => callOf(world, performanceId, holdsPerRound),
    script: payScript(holdsPerRound)
  })

const shows = 20

/**
 * Compares payments into the revenue account of one show with payments into those of many shows.
 */
export const oneRevenueAccount = (
  callers: number,
  holdsPerRound: number,
  target: number
): Scenario => {
  const each = holdsPerRound / shows
  return againstItself({
    name: "pays into one revenue account",
    against: `pays into ${shows} accounts`,
    callers,
    target,
    subject: async (world) => {
      const performanceId = await prepare(holdsPerRound)(world)
      return callOf(world, performanceId, holdsPerRound)
    },
    reference: async (world) => {
      const performanceIds: Array<string> = []
      for (let show = 0; show < shows; show++) {
        const performanceId = await world.addPerformance(each, `bench-${show}`)
        await world.holdAll(performanceId, each, show * each)
        performanceIds.push(performanceId)
      }
      await world.readmitAll()
      return (n) => {
        if (n >= holdsPerRound) return undefined
        const show = n % shows
        const seat = Math.floor(n / shows)
        return world.office.payments.pay({
          ...world.caller(show * each + seat),
          reservationId: idOf(reservationKind(performanceIds[show]!), seat)
        })
      }
    }
  })
}

/** Charges to one wallet, whose ledger entries must be in sequence. */
export const hotWallet = (callers: number, target: number): Scenario => {
  const charge = (world: World, userOf: (n: number) => number) => (n: number) =>
    world.office.wallet.charge({
      ...world.caller(userOf(n)),
      amount: { amount: 1n, currency: "KRW" }
    })
  return againstItself({
    name: "charges to one hot wallet",
    against: "charges to distinct wallets",
    callers,
    target,
    subject: async (world) => {
      await world.readmitAll()
      return charge(world, () => 0)
    },
    reference: async (world) => {
      await world.readmitAll()
      return charge(world, (n) => n)
    }
  })
}
