/**
 * Metrics of the waiting room for operators, as Effect metrics.
 *
 * Holds: a set of metrics per queue, for as long as the node runs, and the first estimates that
 * waiting users were shown, of up to 20,000 users (see `engine/RecentMap.ts`). An estimate is removed
 * when this node finds its user admitted. A poll of its user keeps it; without polls it makes room
 * for others, so estimates of users who left do not stay.
 *
 * Of a queue with more than 10,000 waiting users, the node keeps the estimates of a sample. Otherwise
 * the users would displace each other's first estimates, and the node would rate later ones.
 *
 * Refresh: gauges with each read of a queue, counters with each event that this node commits.
 */
import { type Context, Effect, Metric } from "effect"
import type { CommittedEvents } from "../../engine/CommittedEvents.ts"
import { fnv1a } from "../../engine/fnv.ts"
import { RecentMap } from "../../engine/RecentMap.ts"
import type { QueueId, TokenId } from "../../Ids.ts"
import type { QueueTokenStatus } from "../model.ts"
import { waitingIn } from "../position.ts"
import type { LiveQueue } from "./LiveQueue.ts"

/** How many first estimates are kept at least: enough of a sample to rate them. */
const estimatesKept = 10_000

interface Estimate {
  readonly shownAt: number
  readonly p50Seconds: number
}

export const makeQueueMetrics = (committed: CommittedEvents["Service"]) =>
  Effect.contextWith((context: Context.Context<never>) =>
    Effect.sync(() => {
      const perQueue = new Map<QueueId, ReturnType<typeof metricsOf>>()
      const of = (queueId: QueueId) => {
        let metrics = perQueue.get(queueId)
        if (metrics === undefined) {
          metrics = metricsOf(queueId)
          perQueue.set(queueId, metrics)
        }
        return metrics
      }
      const estimates = new RecentMap<TokenId, Estimate>(estimatesKept)
      const sampleOf = new Map<QueueId, number>()

      committed.listen((event, isCommitted) => {
        if (!isCommitted) return
        if (event._tag === "QueueTokenAdmitted") of(event.queueId).admitted.updateUnsafe(1, context)
        if (event._tag === "QueueTokenLapsed") {
          of(event.queueId).expired.updateUnsafe(1, context)
          if (event.unclaimed) of(event.queueId).unclaimed.updateUnsafe(1, context)
        }
      })

      return {
        /** Updates the gauges after a queue was read. */
        read: ({ queue }: LiveQueue): void => {
          const metrics = of(queue.queueId)
          const waiting = waitingIn(queue)
          sampleOf.set(queue.queueId, nextSample(sampleOf.get(queue.queueId), waiting))
          metrics.waiting.updateUnsafe(waiting, context)
          metrics.active.updateUnsafe(queue.active, context)
          metrics.rate.updateUnsafe(queue.admittedLastMinute, context)
        },
        /** Keeps the first estimate that a user is shown. Later ones are not rated. */
        estimateShown: (tokenId: TokenId, status: QueueTokenStatus): void => {
          const { queueId, estimatedWait, asOf } = status
          if (estimatedWait === null || asOf === undefined) return
          const oneIn = sampleOf.get(queueId) ?? 1
          if (oneIn > 1 && fnv1a(tokenId) % oneIn !== 0) return
          if (estimates.get(tokenId) !== undefined) return
          const { p50Seconds } = estimatedWait
          estimates.set(tokenId, { shownAt: asOf.getTime(), p50Seconds })
        },
        /** Rates the first estimate against the wait, which is known once the token is admitted. */
        tokenAdmitted: (queueId: QueueId, tokenId: TokenId, admittedAt: number): void => {
          const estimate = estimates.get(tokenId)
          if (estimate === undefined) return
          estimates.delete(tokenId)
          const waited = Math.max(1, (admittedAt - estimate.shownAt) / 1_000)
          const error = Math.abs(estimate.p50Seconds - waited) / waited
          of(queueId).estimateError.updateUnsafe(error, context)
        }
      }
    })
  )

/**
 * The node keeps the estimate of one in how many users. The number only doubles until the queue is
 * empty: users of a smaller sample are also in the larger one before it, so the first estimate that
 * the node keeps of a user is the first that the user was shown.
 */
const nextSample = (before = 1, waiting: number): number => {
  if (waiting === 0) return 1
  let oneIn = before
  while (oneIn * estimatesKept < waiting) oneIn *= 2
  return oneIn
}

const metricsOf = (queue: QueueId) => {
  const attributes = { queue }
  const gauge = (name: string, description: string) =>
    Metric.gauge(`boxoffice_queue_${name}`, { description, attributes })
  const counter = (name: string, description: string) =>
    Metric.counter(`boxoffice_queue_${name}`, { description, attributes, incremental: true })
  return {
    waiting: gauge("waiting", "Users who wait"),
    active: gauge("active", "Users who are inside"),
    rate: gauge("admitted_last_minute", "Users admitted within the last 60 seconds"),
    admitted: counter("admitted_total", "Users that this node has admitted"),
    expired: counter("expired_total", "Tokens that this node has expired"),
    unclaimed: counter("unclaimed_total", "Expired tokens that were not used in the claim window"),
    estimateError: Metric.histogram("boxoffice_queue_estimate_error", {
      description: "The error of the first p50 that a user was shown, as a share of the wait",
      attributes,
      boundaries: [0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5]
    })
  }
}
