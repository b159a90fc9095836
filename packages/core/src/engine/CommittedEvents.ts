/**
 * Announces the events of this node's batches, so that its snapshots and caches are refreshed, its
 * metrics count them, and its consumers read them at once.
 *
 * A batch that failed is announced as well: its answer may have been lost after the commit. What was
 * not committed only makes the node read something again.
 *
 * Holds: the listeners, for as long as the engine lives.
 */
import { Context, Effect, Exit, Layer } from "effect"
import { BoxOfficeStore } from "../BoxOfficeStore.ts"
import type { BoxOfficeEvent } from "../Events.ts"
import { afterCommit, HostTransaction, hostAware } from "../HostTransaction.ts"
import type { Rows } from "./Rows.ts"

/** `isCommitted` is false if the batch failed, although it may have been committed. */
type Listener = (event: BoxOfficeEvent, isCommitted: boolean) => void

/** @internal */
export class CommittedEvents extends Context.Service<
  CommittedEvents,
  {
    /**
     * Calls the listener with every event of a batch before the batch's callers get their outcomes.
     * Within a host's transaction it calls after the host's commit, if the host reports that.
     */
    readonly listen: (listener: Listener) => void
  }
>()("@boxoffice/core/CommittedEvents") {}

/** Wraps a store: it uses a host's transaction where there is one, and announces committed events. */
export const layerCommittedEvents: Layer.Layer<
  BoxOfficeStore | CommittedEvents,
  never,
  BoxOfficeStore
> = Layer.effectContext(
  Effect.map(Effect.map(BoxOfficeStore, hostAware), (store) => {
    const listeners: Array<Listener> = []
    const announce = (events: ReadonlyArray<BoxOfficeEvent>, isCommitted: boolean): void => {
      for (const event of events) for (const listener of listeners) listener(event, isCommitted)
    }
    return Context.make(CommittedEvents, { listen: (listener) => listeners.push(listener) }).pipe(
      Context.add(BoxOfficeStore, {
        ...store,
        transact: (plan, decide) => {
          let events: ReadonlyArray<BoxOfficeEvent> = []
          const deciding = (rows: Rows) => {
            events = rows.events
            return decide(rows)
          }
          const announced = (isCommitted: boolean) =>
            Effect.sync(() => announce(events, isCommitted))
          const transacted = store.transact(plan, deciding)
          return Effect.withFiber((fiber) =>
            fiber.getRef(HostTransaction) === undefined
              ? Effect.onExit(transacted, (exit) => announced(Exit.isSuccess(exit)))
              : Effect.tap(transacted, () => afterCommit(announced(true)))
          )
        }
      })
    )
  })
)
