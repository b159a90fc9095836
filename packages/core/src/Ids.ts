/**
 * Branded identifiers. This module runs in a browser; `engine/CommandIds.ts` makes new ids.
 *
 * The host chooses the ids of queues, shows, performances and seats: short readable keys. Those of
 * queues are ASCII, since they are in tokens, metrics and on the command line; the others may be in
 * any script. The engine makes the ids of tokens, reservations and transfers: UUIDs, equal to the
 * id of the command that created them.
 */
import { Schema } from "effect"

const queueKey = /^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}$/
const catalogKey = /^(?=.{1,64}$)[\p{L}\p{N}](?: ?[\p{L}\p{M}\p{N}_.:/-])*$/u
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/
// Text that is visible on one line: no control characters, no line breaks.
const visible = /^[^\p{Cc}\p{Cs}\p{Zl}\p{Zp}]{1,128}$/u

const isId = Schema.isPattern(uuid, { expected: "a UUID in small letters" })
const isUser = Schema.isPattern(visible, { expected: "1 to 128 visible characters on one line" })

/** Unicode can write the same letters in two ways. Only the composed one is an id. */
const isComposed = (text: string): boolean => text.normalize("NFC") === text

const CatalogKey = Schema.String.check(
  Schema.isPattern(catalogKey, {
    expected:
      "1 to 64 letters and digits of any script, and _ . : / - and single spaces between them"
  }),
  Schema.makeFilter(
    (text) => isComposed(text) || "expected the composed form of Unicode (normalize it to NFC)"
  )
)

/** The id of a queue: 1 to 64 letters, digits, `_ . : -`. */
export const QueueId = Schema.String.check(
  Schema.isPattern(queueKey, {
    expected: "1 to 64 letters, digits and _ . : -, of which the first is a letter or digit"
  })
).pipe(Schema.brand("QueueId"))
export type QueueId = typeof QueueId.Type

/**
 * The id of a show: 1 to 64 letters, marks and numbers of any script, `_ . : / -`, and single
 * spaces between.
 */
export const ShowId = CatalogKey.pipe(Schema.brand("ShowId"))
export type ShowId = typeof ShowId.Type

/** The id of a performance, in the format of {@link ShowId}. */
export const PerformanceId = CatalogKey.pipe(Schema.brand("PerformanceId"))
export type PerformanceId = typeof PerformanceId.Type

/** The id of a seat within its performance, in the format of {@link ShowId}. */
export const SeatId = CatalogKey.pipe(Schema.brand("SeatId"))
export type SeatId = typeof SeatId.Type

/** The host's own id of a user: 1 to 128 visible characters. */
export const UserId = Schema.String.check(isUser).pipe(Schema.brand("UserId"))
export type UserId = typeof UserId.Type

/** The id of one command, and of what it creates. */
export const CommandId = Schema.String.check(isId).pipe(Schema.brand("CommandId"))
export type CommandId = typeof CommandId.Type

/** The id of one user's token in one queue: the id of the command that joined. */
export const TokenId = Schema.String.check(isId).pipe(Schema.brand("TokenId"))
export type TokenId = typeof TokenId.Type

/** The id of one reservation: the id of the command that held its seats. */
export const ReservationId = Schema.String.check(isId).pipe(Schema.brand("ReservationId"))
export type ReservationId = typeof ReservationId.Type

/** The id of one movement of money: the id of the command that made it. */
export const TransferId = Schema.String.check(isId).pipe(Schema.brand("TransferId"))
export type TransferId = typeof TransferId.Type

/** Whether a text can be an id that the engine made. If not, there is nothing with this id. */
export const isUuid = (text: string): boolean => uuid.test(text)

/**
 * Whether a text can be the id of a show, performance or seat. If not, there is none with this id.
 */
export const isCatalogKey = (text: string): boolean => catalogKey.test(text) && isComposed(text)

/** Whether a text can be the id of a queue. */
export const isQueueKey = (text: string): boolean => queueKey.test(text)
