/**
 * Metrics of the waiting room for operators, as Effect metrics.
 *
 * Holds: a set of metrics per queue, for as long as the node runs, and the first estimate that each
 * of up to 10,000 waiting users was shown. An estimate is removed when this node finds its user
 * admitted. Estimates of users who leave stay; once 10,000 are kept, no more are added.
 *
 * Refresh: gauges with each read of a queue, counters with each event that this node commits.
 */
import { type Context, Effect, Metric } from "effect"
import type { CommittedEvents } from "../../engine/CommittedEvents.ts"
import type { QueueId, TokenId } from "../../Ids.ts"
import type { QueueTokenStatus } from "../model.ts"
import { waitingIn } from "../position.ts"
import type { LiveQueue } from "./LiveQueue.ts"

/** The most first estimates that are kept: enough of a sample to rate them. */
const estimatesKept = 10_000

interface Estimate {
  readonly shownAt: number
  readonly p50Seconds: number
}

export const makeQueueMetrics = (changes: CommittedEvents["Service"]) =>
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
      const estimates = new Map<TokenId, Estimate>()

      changes.listen((event) => {
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
          metrics.waiting.updateUnsafe(waitingIn(queue), context)
          metrics.active.updateUnsafe(queue.active, context)
          metrics.rate.updateUnsafe(queue.admittedLastMinute, context)
        },
        /** Keeps the first estimate that a user is shown. Later ones are not rated. */
        estimateShown: (tokenId: TokenId, { estimatedWait, asOf }: QueueTokenStatus): void => {
          if (estimatedWait === null || asOf === undefined) return
          if (estimates.size >= estimatesKept || estimates.has(tokenId)) return
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

const metricsOf = (queue: QueueId) => {
  const attributes = { queue }
  const gauge = (name: string, description: string) =>
    Metric.gauge(`boxoffice_queue_${name}`, { description, attributes })
  const counter = (name: string, description: string) =>
    Metric.counter(`boxoffice_queue_${name}`, { description, attributes, incremental: true })
  return {
    waiting: gauge("waiting", "Users who wait"),
    active: gauge("active", "Users who are inside"),
    rate: gauge("admitted_last_minute", "Users let in within the last 60 seconds"),
    admitted: counter("admitted_total", "Users let in by this node"),
    expired: counter("expired_total", "Admitted users whose place was taken back by this node"),
    unclaimed: counter("unclaimed_total", "Those of the expired who had never shown up"),
    estimateError: Metric.histogram("boxoffice_queue_estimate_error", {
      description: "How far the first p50 told was off, as a share of the wait",
      attributes,
      boundaries: [0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5]
    })
  }
}
