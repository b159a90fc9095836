/**
 * The queues as this node knows them, each read about once a second while anyone asks. There is no
 * timer: who asks first after a second has the queue read, for everyone. Where the reading shows
 * that somebody could be let in, that is done at once, by whichever node sees it first.
 */
import { Clock, Context, Effect, Layer } from "effect"
import { BoxOfficeStore } from "../../BoxOfficeStore.ts"
import type { Overloaded, StoreUnavailable } from "../../Errors.ts"
import { type CommandLane, makeCommandLanes } from "../../engine/Batcher.ts"
import { LaneSettings } from "../../engine/Command.ts"
import { LocalChanges } from "../../engine/CommittedEvents.ts"
import { makeFreshReads, msBetween } from "../../engine/SharedReads.ts"
import { HostTransaction } from "../../HostTransaction.ts"
import type { QueueId, TokenId } from "../../Ids.ts"
import { Policies } from "../../Policies.ts"
import type { Ticket } from "../../token/format.ts"
import { type QueueCommand, runQueueBatch } from "../batch.ts"
import type { QueueRow, QueueTokenStatus, TokenRow } from "../model.ts"
import { LineView } from "./LiveQueue.ts"
import { makeQueueMetrics } from "./metrics.ts"
import { Presence, presencePeriodSeconds } from "./presence.ts"

/** The most queues that a node keeps in mind. */
const linesKept = 1_000
/** Batches in a row that one reading may lead to. */
const batchesMax = 100
/** How long a node that ends waits for the store. */
const closingMs = 2_000
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
    /**
     * Asks nobody to come back before every node must have read the line anew: so a place never
     * rises for whoever comes when told to, whichever node they reach.
     */
    readonly paced: <Status extends QueueTokenStatus>(status: Status) => Status
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

      const isNoted = ({ queueId, lane, number }: TokenRow): boolean =>
        known.get(queueId)?.presence.has(lane, number) ?? false

      const batches: CommandLane<QueueCommand, unknown> = yield* makeCommandLanes({
        ...(yield* LaneSettings),
        keyOf: (command: QueueCommand) => command.queueId,
        rowKeyOf: ({ userId }: QueueCommand) => userId,
        run: (batch: ReadonlyArray<QueueCommand>) => runQueueBatch(store, policies, batch, isNoted)
      })
      const submit = <A>(command: QueueCommand<A>) =>
        batches.submit(command) as Effect.Effect<A, Faults>

      /** Reads on from what a view knows; `undefined` where there is no such queue. */
      const readOn = Effect.fnUntraced(function* (queueId: QueueId, before?: LineView) {
        let view = before
        for (;;) {
          const reading = yield* store.line(queueId, view?.after ?? 0n)
          if (reading === undefined) return undefined
          view ??= new LineView(reading)
          const isAll = view.absorb(reading)
          // Whatever else this node does goes on in between.
          while (!view.placeSome()) yield* Effect.yieldNow
          if (isAll) return view
          yield* Effect.yieldNow
        }
      })

      const read = Effect.fnUntraced(function* (queueId: QueueId) {
        const begunAt = clock.monotonicTimeNanosUnsafe()
        const before = known.get(queueId)
        const moved = new Set(before?.moved)
        const view = yield* readOn(queueId, before?.view)
        if (view === undefined) return undefined
        metrics.read(view)
        const line = before ?? {
          view,
          readBegunAt: begunAt,
          moved: new Set<TokenId>(),
          presence: new Presence(),
          presenceTakenAt: begunAt
        }
        line.readBegunAt = begunAt
        for (const tokenId of moved) line.moved.delete(tokenId)
        // The one that was read last goes to the end, and the one at the front has to go.
        known.delete(queueId)
        known.set(queueId, line)
        if (known.size > linesKept) yield* forget(known.keys().next().value!)
        return line
      })

      const forget = Effect.fnUntraced(function* (queueId: QueueId) {
        const line = known.get(queueId)!
        known.delete(queueId)
        yield* Effect.ignore(handOver(queueId, line))
      })

      /** Hands over who was there. Where that fails, it is kept for the next time. */
      const handOver = (queueId: QueueId, { view, presence }: Known) =>
        Effect.suspend(() => {
          if (view.queue.settings.absenceSeconds === 0) return Effect.void
          const sightings = presence.take()
          if (sightings.length === 0) return Effect.void
          return Effect.onError(store.markSeen(queueId, sightings), () =>
            Effect.sync(() => presence.putBack(sightings))
          )
        })

      /**
       * Once a period. A node that cannot hand over does not read either: its polls go on from memory
       * for `awayMs` and then fail, so that nobody takes its answers for a place that is kept.
       */
      const tellPresence = Effect.fnUntraced(function* (queueId: QueueId) {
        const line = known.get(queueId)
        const now = clock.monotonicTimeNanosUnsafe()
        if (line === undefined) return
        if (msBetween(line.presenceTakenAt, now) < presencePeriodSeconds * 1_000) return
        yield* handOver(queueId, line)
        line.presenceTakenAt = now
      })

      // Users of a node that ends go on on another one: what this one knows of them must not be lost.
      yield* Effect.addFinalizer(() =>
        Effect.forEach(known, ([queueId, line]) => Effect.ignore(handOver(queueId, line)), {
          concurrency: 4,
          discard: true
        }).pipe(Effect.timeoutOption(closingMs))
      )

      const letIn = (queueId: QueueId, view: LineView) =>
        submit<number>({
          queueId,
          names: (names) => names.nameHeads(queueId, view.heads()),
          decide: () => ({ present: undefined, conclude: (moved) => moved })
        })

      /** Lets in whoever can be, and gives what is read after it. */
      const moveOn = Effect.fnUntraced(function* <A extends { readonly view: LineView }>(
        queueId: QueueId,
        begun: A | undefined,
        read: Effect.Effect<A | undefined, StoreUnavailable>
      ) {
        let line = begun
        for (let batch = 0; line?.view.isDue && batch < batchesMax; batch++) {
          const decided = yield* letIn(queueId, line.view)
          line = yield* read
          if (decided === 0) break
        }
        return line
      })

      const refresh = Effect.fnUntraced(function* (queueId: QueueId) {
        yield* tellPresence(queueId)
        const line = yield* read(queueId)
        return yield* moveOn(queueId, line, read(queueId))
      })

      const reads = yield* makeFreshReads<QueueId, Known | undefined>({
        read: (queueId) =>
          Effect.catchTag(refresh(queueId), "Overloaded", () => Effect.succeed(known.get(queueId))),
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

      const leastSeconds = Math.ceil(queueFreshMs / 1_000)
      const paced = <Status extends QueueTokenStatus>(status: Status): Status =>
        status.pollAfterSeconds < leastSeconds
          ? { ...status, pollAfterSeconds: leastSeconds }
          : status
      const standingIn = (line: Known, ticket: Ticket) => {
        const status = line.moved.has(ticket.tokenId) ? undefined : line.view.standing(ticket)
        return status && paced(status)
      }
      const recall = (ticket: Ticket) => {
        const line = known.get(ticket.queueId)
        return line && standingIn(line, ticket)
      }
      /** Whoever is told that they wait is there to hear it. */
      const tell = (line: Known, ticket: Ticket) => {
        const status = standingIn(line, ticket)
        if (status?.state === "waiting") {
          line.presence.mark(ticket)
          metrics.told(ticket.tokenId, status)
        }
        return status
      }
      const ageMs = (line: Known): number =>
        msBetween(line.readBegunAt, clock.monotonicTimeNanosUnsafe())

      /** Reads a queue unless it was just read; the last reading will do while the store is away. */
      const ensureKnown = (queueId: QueueId): Effect.Effect<Known | undefined, Faults> =>
        Effect.suspend(() => {
          const fresh = ensureFresh(queueId)
          const before = known.get(queueId)
          return before === undefined || ageMs(before) >= awayMs
            ? fresh
            : Effect.timeout(fresh, patience).pipe(Effect.catch(() => Effect.succeed(before)))
        })

      /**
       * A host's transaction sees what may never be so: what is read there is of use there alone,
       * and nothing of it may come into what this node knows.
       */
      const isInside = Effect.map(HostTransaction, (transaction) => transaction !== undefined)

      const look = Effect.fnUntraced(function* (ticket: Ticket) {
        const { queueId } = ticket
        if (yield* isInside) {
          const status = (yield* readOn(queueId))?.standing(ticket)
          return status && paced(status)
        }
        const line = yield* ensureKnown(queueId)
        if (line === undefined) return undefined
        if (!isNewer(ticket, line.view)) return tell(line, ticket)
        // Who came since the queue was read is not in the reading yet.
        reads.invalidate(queueId)
        const next = yield* ensureFresh(queueId)
        return next && tell(next, ticket)
      })

      const readQueue = Effect.fnUntraced(function* (queueId: QueueId) {
        if (yield* isInside) return (yield* readOn(queueId))?.queue
        return (yield* ensureKnown(queueId))?.view.queue
      })

      const advance = Effect.fnUntraced(function* (queueId: QueueId) {
        if (yield* isInside) {
          const once = Effect.map(readOn(queueId), (view) => view && { view })
          yield* moveOn(queueId, yield* once, once)
          return
        }
        reads.invalidate(queueId)
        yield* ensureFresh(queueId)
      })

      return Lines.of({
        submit,
        read: readQueue,
        look,
        recall,
        paced,
        cameIn: metrics.cameIn,
        peek: (ticket) => {
          const line = known.get(ticket.queueId)
          return line && ageMs(line) < queueFreshMs ? tell(line, ticket) : undefined
        },
        advance
      })
    })
  )
}

const isNewer = ({ place }: Ticket, view: LineView): boolean => {
  if (place === undefined) return false
  const line = place.lane === "general" ? view.queue : view.queue.priority
  return place.number >= line.nextNumber
}
