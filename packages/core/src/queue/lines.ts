/**
 * The queues as this node knows them, each read about once a second while anyone asks. There is no
 * timer: who asks first after a second has the queue read, for everyone. Where the reading shows
 * that somebody could be let in, that is done at once, by whichever node sees it first.
 */
import { Clock, Context, Effect, Layer } from "effect"
import { LocalChanges } from "../Changes.ts"
import { type CommandLane, makeCommandLanes } from "../CommandLane.ts"
import type { Overloaded, StoreUnavailable } from "../Errors.ts"
import { makeFreshReads, msBetween } from "../FreshReads.ts"
import type { QueueId, TokenId } from "../Ids.ts"
import { LaneSettings } from "../Lanes.ts"
import { Policies } from "../Policies.ts"
import { BoxOfficeStore } from "../Store.ts"
import { type QueueCommand, runQueueBatch } from "./batch.ts"
import { LineView } from "./line.ts"
import { makeQueueMetrics } from "./metrics.ts"
import type { QueueRow, QueueTokenStatus } from "./model.ts"
import { Presence, presencePeriodSeconds } from "./presence.ts"
import type { Ticket } from "./ticket.ts"

/** The most queues that a node keeps in mind. */
const linesKept = 1_000
/** Batches in a row that one reading may lead to. */
const batchesMax = 100
/** How long a store that does not answer is waited for where there is an older answer. */
const patience = "500 millis"

interface Known {
  readonly view: LineView
  /** In nanoseconds, by a clock that is never set. */
  readBegunAt: bigint
  /** Tokens that this node has moved since: of these only the store knows. */
  readonly moved: Set<TokenId>
  readonly presence: Presence
  presenceTakenAt: bigint
}

type Faults = Overloaded | StoreUnavailable

/** @internal What the queue and the gate know of the lines. */
export class Lines extends Context.Service<
  Lines,
  {
    readonly submit: <A>(command: QueueCommand<A>) => Effect.Effect<A, Faults>
    /** A queue as it was read of late; `undefined` where there is none. Nobody is loaded with it. */
    readonly read: (queueId: QueueId) => Effect.Effect<QueueRow | undefined, Faults>
    /** See `LineView.standing`, of a reading that is fresh, or the last while the store is away. */
    readonly look: (ticket: Ticket) => Effect.Effect<QueueTokenStatus | undefined, Faults>
    /** The same from memory, while that is fresh enough; `undefined` also where it is not. */
    readonly peek: (ticket: Ticket) => QueueTokenStatus | undefined
    /** The same from memory, however old. */
    readonly recall: (ticket: Ticket) => QueueTokenStatus | undefined
    /** Somebody was found to have been let in. */
    readonly cameIn: (queueId: QueueId, tokenId: TokenId, admittedAt: number) => void
    /** Does what is due, with nobody asking. */
    readonly advance: (queueId: QueueId) => Effect.Effect<void, Faults>
  }
>()("@boxoffice/core/Lines") {
  static readonly layer = Layer.effect(
    Lines,
    Effect.gen(function* () {
      const store = yield* BoxOfficeStore
      const changes = yield* LocalChanges
      const policies = yield* Policies
      const { queueFreshMs, awayMs } = policies
      const clock = yield* Clock.Clock
      const metrics = yield* makeQueueMetrics(changes)
      const known = new Map<QueueId, Known>()

      const batches: CommandLane<QueueCommand, unknown> = yield* makeCommandLanes({
        ...(yield* LaneSettings),
        keyOf: (command: QueueCommand) => command.queueId,
        run: (batch: ReadonlyArray<QueueCommand>) => runQueueBatch(store, policies, batch)
      })
      const submit = <A>(command: QueueCommand<A>) =>
        batches.submit(command) as Effect.Effect<A, Faults>

      const read = Effect.fnUntraced(function* (queueId: QueueId) {
        const begunAt = clock.monotonicTimeNanosUnsafe()
        const before = known.get(queueId)
        const moved = before && new Set(before.moved)
        let view = before?.view
        for (;;) {
          const reading = yield* store.line(queueId, view?.after ?? 0n)
          if (reading === undefined) return undefined
          view ??= new LineView(reading)
          if (view.absorb(reading)) break
          yield* Effect.yieldNow
        }
        metrics.read(view)
        if (before === undefined) {
          known.set(queueId, {
            view,
            readBegunAt: begunAt,
            moved: new Set(),
            presence: new Presence(),
            presenceTakenAt: begunAt
          })
          if (known.size > linesKept) known.delete(known.keys().next().value!)
        } else {
          before.readBegunAt = begunAt
          for (const tokenId of moved ?? []) before.moved.delete(tokenId)
        }
        return view
      })

      /** Hands over who was there, once a period. Where that fails, it is tried again. */
      const tellPresence = Effect.fnUntraced(function* (queueId: QueueId) {
        const line = known.get(queueId)
        const now = clock.monotonicTimeNanosUnsafe()
        if (line === undefined || line.view.queue.settings.absenceSeconds === 0) return
        if (msBetween(line.presenceTakenAt, now) < presencePeriodSeconds * 1_000) return
        line.presenceTakenAt = now
        const sightings = line.presence.take()
        if (sightings.length === 0) return
        yield* Effect.onError(store.markSeen(queueId, sightings), () =>
          Effect.sync(() => line.presence.putBack(sightings))
        )
      })

      const letIn = (queueId: QueueId, view: LineView) =>
        submit<number>({
          queueId,
          names: (names) => names.nameHeads(queueId, view.heads()),
          decide: () => ({ present: undefined, conclude: (moved) => moved })
        })

      const refresh = Effect.fnUntraced(function* (queueId: QueueId) {
        let view = yield* read(queueId)
        yield* tellPresence(queueId)
        for (let batch = 0; view?.isDue && batch < batchesMax; batch++) {
          const decided = yield* letIn(queueId, view)
          view = yield* read(queueId)
          if (decided === 0) break
        }
        return view !== undefined
      })

      const reads = yield* makeFreshReads<QueueId, boolean>({
        read: (queueId) =>
          Effect.catchTag(refresh(queueId), "Overloaded", () => Effect.succeed(true)),
        freshMs: queueFreshMs,
        keep: linesKept
      })
      const ensureFresh = (queueId: QueueId) =>
        Effect.map(reads.read(queueId), ({ reading }) => reading)

      changes.listen((event) => {
        if (!("queueId" in event)) return
        if ("tokenId" in event) {
          // Who comes changes nobody's place, and who is seen again neither.
          if (event._tag === "QueueTokenIssued" || event._tag === "QueueTokenExtended") return
          known.get(event.queueId)?.moved.add(event.tokenId)
          // Who was inside has no place in line: there may be room now, which the next reading shows.
          if (event._tag === "QueueTokenCompleted") return
        }
        reads.invalidate(event.queueId)
      })

      const recall = (ticket: Ticket) => {
        const line = known.get(ticket.queueId)
        return line === undefined || line.moved.has(ticket.tokenId)
          ? undefined
          : line.view.standing(ticket)
      }
      /** Whoever is told that they wait is there to hear it. */
      const seen = (ticket: Ticket, status: QueueTokenStatus | undefined) => {
        if (status?.state === "waiting") {
          known.get(ticket.queueId)!.presence.mark(ticket)
          metrics.told(ticket.tokenId, status)
        }
        return status
      }
      const ageMs = (queueId: QueueId): number => {
        const line = known.get(queueId)
        return line === undefined
          ? Number.POSITIVE_INFINITY
          : msBetween(line.readBegunAt, clock.monotonicTimeNanosUnsafe())
      }

      /** Reads a queue unless it was just read; the last reading will do while the store is away. */
      const ensureKnown = (queueId: QueueId): Effect.Effect<void, Faults> =>
        Effect.suspend(() => {
          const fresh = ensureFresh(queueId)
          return ageMs(queueId) >= awayMs
            ? Effect.asVoid(fresh)
            : Effect.ignore(Effect.timeoutOption(fresh, patience))
        })

      const look = Effect.fnUntraced(function* (ticket: Ticket) {
        const { queueId } = ticket
        yield* ensureKnown(queueId)
        const line = known.get(queueId)
        // Who came since the queue was read is not in the reading yet.
        if (line !== undefined && isNewer(ticket, line.view)) {
          reads.invalidate(queueId)
          yield* ensureFresh(queueId)
        }
        return seen(ticket, recall(ticket))
      })

      return Lines.of({
        submit,
        read: (queueId) => Effect.map(ensureKnown(queueId), () => known.get(queueId)?.view.queue),
        look,
        recall,
        cameIn: metrics.cameIn,
        peek: (ticket) =>
          ageMs(ticket.queueId) < queueFreshMs ? seen(ticket, recall(ticket)) : undefined,
        advance: (queueId) =>
          Effect.andThen(
            Effect.sync(() => reads.invalidate(queueId)),
            Effect.asVoid(ensureFresh(queueId))
          )
      })
    })
  )
}

const isNewer = ({ place }: Ticket, view: LineView): boolean => {
  if (place === undefined) return false
  const line = place.lane === "general" ? view.queue : view.queue.priority
  return place.number >= line.nextNumber
}
