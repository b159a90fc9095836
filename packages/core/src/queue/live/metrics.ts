/** What an operator wants to see of the waiting room, as Effect metrics. */
import { type Context, Effect, Metric } from "effect"
import type { CommittedEvents } from "../../engine/CommittedEvents.ts"
import type { QueueId, TokenId } from "../../Ids.ts"
import type { QueueTokenStatus } from "../model.ts"
import { waitingIn } from "../position.ts"
import type { LiveQueue } from "./LiveQueue.ts"

/** Estimates that are kept until their users are in: enough to tell how good they are. */
const estimatesKept = 10_000

interface Estimate {
  readonly toldAt: number
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
        /** A queue was read. */
        read: (view: LiveQueue): void => {
          const metrics = of(view.queue.queueId)
          metrics.waiting.updateUnsafe(waitingIn(view.queue), context)
          metrics.active.updateUnsafe(view.queue.active, context)
          metrics.rate.updateUnsafe(view.queue.admittedLastMinute, context)
        },
        /** Somebody was told how long they will wait. The first time is the one that counts. */
        told: (tokenId: TokenId, { estimatedWait, asOf }: QueueTokenStatus): void => {
          if (estimatedWait === null || asOf === undefined) return
          if (estimates.size >= estimatesKept || estimates.has(tokenId)) return
          const { p50Seconds } = estimatedWait
          estimates.set(tokenId, { toldAt: asOf.getTime(), p50Seconds })
        },
        /** Somebody is in: how long it took is known now. */
        cameIn: (queueId: QueueId, tokenId: TokenId, admittedAt: number): void => {
          const estimate = estimates.get(tokenId)
          if (estimate === undefined) return
          estimates.delete(tokenId)
          const waited = Math.max(1, (admittedAt - estimate.toldAt) / 1_000)
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
