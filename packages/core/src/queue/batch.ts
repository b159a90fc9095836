/**
 * One batch of queue commands in one transaction:
 *
 * 1. Load and lock the queues, the next tokens in line, and what the commands need.
 * 2. Open queues that are due, and end the admitted tokens that have lapsed: this makes room.
 * 3. Decide the commands, in order.
 * 4. Admit the next tokens in line, or end the waiting ones of a closed queue.
 * 5. Begin the session of each admitted token whose user is online.
 * 6. Make the replies, which see all of that.
 */
import type { Effect } from "effect"
import type { BoxOfficeStore } from "../BoxOfficeStore.ts"
import type { StoreUnavailable } from "../Errors.ts"
import type { QueueEvent } from "../Events.ts"
import { evolveAll } from "../engine/evolve.ts"
import { LoadPlan } from "../engine/LoadPlan.ts"
import type { Rows } from "../engine/Rows.ts"
import { decideSessionExtension } from "../gate/decide.ts"
import type { QueueId, TokenId } from "../Ids.ts"
import type { PolicyOptions } from "../policies/rules.ts"
import { decideAdmissions, decideClosing, decideExpiries, decideOpening } from "./decide.ts"
import type { TokenRow } from "./model.ts"
import { tokenStateAt } from "./status.ts"

/** A command of a queue. Its reply is made once the whole batch has been decided. */
export interface QueueCommand<A = unknown> {
  readonly queueId: QueueId
  /** Adds the rows that the command needs. */
  readonly plan: (plan: LoadPlan) => void
  readonly decide: (rows: Rows) => {
    /**
     * The token of a user whose call waits for the reply, and so learns of an admission at once.
     */
    readonly onlineToken: TokenId | undefined
    /** `dueEvents` counts the events that no command caused: openings, admissions and ends. */
    readonly reply: (dueEvents: number) => A
  }
}

/** How many of the next tokens in line each batch loads, so that a join also admits those due. */
const headsAlways = 32

/** The rows that a batch of queue commands needs. */
export const planQueueBatch = (batch: ReadonlyArray<QueueCommand>): LoadPlan => {
  const plan = new LoadPlan()
  for (const command of batch) {
    plan.queues.add(command.queueId)
    plan.addHeads(command.queueId, { limit: headsAlways })
    command.plan(plan)
  }
  return plan
}

/**
 * Runs a batch, in the steps above. `hasPolled` says whether this node has a presence mark that it has yet to flush.
 */
export const runQueueBatch = (
  store: BoxOfficeStore["Service"],
  policies: PolicyOptions,
  batch: ReadonlyArray<QueueCommand>,
  hasPolled?: (token: TokenRow) => boolean,
  waitsBriefly = false
): Effect.Effect<ReadonlyArray<unknown>, StoreUnavailable> => {
  const queueIds = new Set(batch.map(({ queueId }) => queueId))
  const plan = planQueueBatch(batch)
  plan.waitsBriefly = waitsBriefly
  return store.transact(plan, (rows) => {
    let dueEvents = 0
    const advance = (events: ReadonlyArray<QueueEvent>): void => {
      evolveAll(rows, events)
      dueEvents += events.length
    }
    for (const queueId of queueIds) {
      advance(decideOpening(rows, queueId))
      advance(decideExpiries(rows, queueId))
    }
    const decided = batch.map((command) => command.decide(rows))
    const online = new Set(decided.flatMap(({ onlineToken }) => (onlineToken ? [onlineToken] : [])))
    for (const queueId of queueIds) {
      advance(decideClosing(rows, queueId))
      advance(decideAdmissions(rows, queueId, online, policies, hasPolled))
    }
    for (const tokenId of online) beginSession(rows, tokenId)
    return decided.map(({ reply }) => reply(dueEvents))
  })
}

/** Begins the session of an admitted user who shows up, if it has not begun. */
export const beginSession = (rows: Rows, tokenId: TokenId): void => {
  const token = rows.tokens.get(tokenId)
  if (token === undefined || token.claimed) return
  if (tokenStateAt(token, rows.now) !== "admitted") return
  evolveAll(rows, decideSessionExtension(token, rows.now))
}
