/**
 * Branded identifiers. How new ones are made is in `CommandIds.ts`: this much runs in a browser.
 *
 * The catalogue (queues, shows, performances, seats) is named by the host: short readable keys, in
 * any script but for queues, whose ids are in tokens, metrics and on the command line.
 * What the engine makes (tokens, reservations, transfers) is a UUID: the id of its command.
 */
import { Schema } from "effect"

const queueKey = /^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}$/
const catalogKey = /^(?=.{1,64}$)[\p{L}\p{N}](?: ?[\p{L}\p{M}\p{N}_.:/-])*$/u
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/
// Anything a person could see on one line: no control characters, no line breaks.
const visible = /^[^\p{Cc}\p{Cs}\p{Zl}\p{Zp}]{1,128}$/u

const isId = Schema.isPattern(uuid, { expected: "a UUID in small letters" })
const isUser = Schema.isPattern(visible, { expected: "1 to 128 visible characters on one line" })

/** The same letters can be written in two ways: only one of them is an id. */
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

/** Names a waiting room: 1 to 64 characters of letters, digits, `_ . : -`. */
export const QueueId = Schema.String.check(
  Schema.isPattern(queueKey, {
    expected: "1 to 64 letters, digits and _ . : -, of which the first is a letter or digit"
  })
).pipe(Schema.brand("QueueId"))
export type QueueId = typeof QueueId.Type

/** Names a show: 1 to 64 letters, marks and numbers of any script, `_ . : / -`, and single spaces between. */
export const ShowId = CatalogKey.pipe(Schema.brand("ShowId"))
export type ShowId = typeof ShowId.Type

/** Names a performance: 1 to 64 letters, marks and numbers of any script, `_ . : / -`, and single spaces between. */
export const PerformanceId = CatalogKey.pipe(Schema.brand("PerformanceId"))
export type PerformanceId = typeof PerformanceId.Type

/** Names a seat within its performance: 1 to 64 letters, marks and numbers of any script, `_ . : / -`, and single spaces between. */
export const SeatId = CatalogKey.pipe(Schema.brand("SeatId"))
export type SeatId = typeof SeatId.Type

/** The host's own name for a user: 1 to 128 visible characters. */
export const UserId = Schema.String.check(isUser).pipe(Schema.brand("UserId"))
export type UserId = typeof UserId.Type

/** The id of one command, and of what it makes. */
export const CommandId = Schema.String.check(isId).pipe(Schema.brand("CommandId"))
export type CommandId = typeof CommandId.Type

/** One user's place in one queue; the id of the command that joined. */
export const TokenId = Schema.String.check(isId).pipe(Schema.brand("TokenId"))
export type TokenId = typeof TokenId.Type

/** One reservation; the id of the command that held it. */
export const ReservationId = Schema.String.check(isId).pipe(Schema.brand("ReservationId"))
export type ReservationId = typeof ReservationId.Type

/** One movement of money; the id of the command that made it. */
export const TransferId = Schema.String.check(isId).pipe(Schema.brand("TransferId"))
export type TransferId = typeof TransferId.Type

/** Whether a text could be an id that the engine made. What cannot be one does not exist. */
export const isUuid = (text: string): boolean => uuid.test(text)

/** Whether a text could name a show, performance or seat. What cannot be such a name does not exist. */
export const isCatalogKey = (text: string): boolean => catalogKey.test(text) && isComposed(text)

/** Whether a text could name a queue. */
export const isQueueKey = (text: string): boolean => queueKey.test(text)
