/** Holds of distinct seats: token check, seat, reservation, outbox. */
import { runCallers } from "../callers.ts"
import { countingCpu } from "../cpu.ts"
import { againstPgbench, type Scenario } from "../scenario.ts"
import { reservationKind, sqlId, tokenKind } from "../world.ts"

const seatsPerRound = 200_000

/** The same in one statement; client c holds the seats from c × 12,500 on. */
const holdScript = (performanceId: string, users: number): string => `
\\set i :i + 1
\\set n :client_id * 12500 + :i
\\set u :n % ${users}
WITH token AS (
  SELECT user_id FROM boxoffice.queue_token
  WHERE token_id = ${sqlId(tokenKind, ":u")} AND state = 'admitted'
    AND expires_at > clock_timestamp()
), taken AS (
  UPDATE boxoffice.seat s
  SET status = 'held', reservation_id = ${sqlId(reservationKind(performanceId), ":n")},
    held_until = clock_timestamp() + interval '1 hour', changes = changes + 1
  FROM token
  WHERE performance_id = '${performanceId}' AND seat_id = 'S' || :n::bigint
    AND (status = 'available' OR status = 'held' AND held_until <= clock_timestamp())
  RETURNING s.*, token.user_id
), made AS (
  INSERT INTO boxoffice.reservation (reservation_id, performance_id, user_id, seats, amount,
    currency, status, held_at, hold_expires_at)
  SELECT reservation_id, performance_id, user_id,
    jsonb_build_array(jsonb_build_object('seatId', seat_id, 'section', section, 'row', seat_row,
      'number', seat_number, 'amount', price::text, 'currency', currency)),
    price, currency, 'held', clock_timestamp(), held_until
  FROM taken RETURNING *
)
INSERT INTO boxoffice.outbox (occurred_at, events)
SELECT held_at, json_build_array(json_build_object('_tag', 'SeatsHeld', 'reservationId',
  reservation_id, 'performanceId', performance_id, 'userId', user_id, 'seats', seats, 'amount',
  json_build_object('amount', amount::text, 'currency', currency), 'holdExpiresAt',
  (extract(epoch FROM hold_expires_at) * 1000)::bigint, 'at',
  (extract(epoch FROM held_at) * 1000)::bigint))
FROM made;
`

export const holds = (
  callers: number,
  goal: { readonly by?: "rate" | "latency"; readonly target: number }
): Scenario =>
  againstPgbench({
    name: callers === 1 ? "holds, one idle caller" : "holds of distinct seats",
    callers,
    ...goal,
    prepare: (world) => world.addPerformance(seatsPerRound),
    call: (world, performanceId) => (n) =>
      n >= seatsPerRound
        ? undefined
        : world.office.reservations.hold({
            ...world.caller(n),
            performanceId,
            seatIds: [`S${n}`]
          }),
    script: holdScript
  })

const hotSeats = 100

/** All callers want the same few seats: nearly all are refused, which must be as fast as a hold. */
export const hotHolds = (callers: number, target: number): Scenario => ({
  name: `holds, everyone on ${hotSeats} seats`,
  callers,
  against: "a fixed bar per second",
  by: "rate",
  target: 1,
  round: async (world, { seconds }) => {
    const performanceId = await world.addPerformance(hotSeats)
    const call = (n: number) =>
      world.office.reservations.hold({
        ...world.caller(n),
        performanceId,
        seatIds: [`S${(n * 7919) % hotSeats}`]
      })
    const result = await countingCpu(world.serverPid, () => runCallers({ callers, seconds, call }))
    if (result.succeeded !== hotSeats) throw new Error(`${result.succeeded} winners of ${hotSeats}`)
    return { subject: result, reference: { perSecond: target, p50Ms: 0, p99Ms: 0 } }
  }
})
