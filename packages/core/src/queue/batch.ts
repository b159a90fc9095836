/** One batch of commands of queues: decided in order, then the line moves on, then the answers. */
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

/** A command of a queue. Its answer is drawn up once the whole batch has been decided. */
export interface QueueCommand<A = unknown> {
  readonly queueId: QueueId
  readonly plan: (plan: LoadPlan) => void
  readonly decide: (rows: Rows) => {
    /** The token of a user who is there to hear of being let in. */
    readonly onlineToken: TokenId | undefined
    /** `moved` is how many tokens, or queues, have moved on with nobody asking. */
    readonly reply: (moved: number) => A
  }
}

/** How many of the next in line come with any batch, so that whoever joins finds the line moved. */
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

/** What has lapsed ends first, so that its place is free; who is next is let in last. */
export const runQueueBatch = (
  store: BoxOfficeStore["Service"],
  policies: PolicyOptions,
  batch: ReadonlyArray<QueueCommand>,
  isNoted?: (token: TokenRow) => boolean
): Effect.Effect<ReadonlyArray<unknown>, StoreUnavailable> => {
  const queueIds = new Set(batch.map(({ queueId }) => queueId))
  return store.transact(planQueueBatch(batch), (rows) => {
    let moved = 0
    const advance = (events: ReadonlyArray<QueueEvent>): void => {
      evolveAll(rows, events)
      moved += events.length
    }
    for (const queueId of queueIds) {
      advance(decideOpening(rows, queueId))
      advance(decideExpiries(rows, queueId))
    }
    const decided = batch.map((command) => command.decide(rows))
    const present = new Set(
      decided.flatMap(({ onlineToken }) => (onlineToken ? [onlineToken] : []))
    )
    for (const queueId of queueIds) {
      advance(decideClosing(rows, queueId))
      advance(decideAdmissions(rows, queueId, present, policies, isNoted))
    }
    for (const tokenId of present) {
      const token = rows.tokens.get(tokenId)
      if (token === undefined || token.claimed) continue
      if (tokenStateAt(token, rows.now) !== "admitted") continue
      evolveAll(rows, decideSessionExtension(token, rows.now))
    }
    return decided.map(({ reply }) => reply(moved))
  })
}
