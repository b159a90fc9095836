/**
 * Announces the events that this node has committed, so that its snapshots and caches are refreshed,
 * its metrics count them, and its consumers read them at once.
 *
 * Holds: the listeners, for as long as the engine lives.
 */
import { Context, Effect, Layer } from "effect"
import { BoxOfficeStore } from "../BoxOfficeStore.ts"
import type { BoxOfficeEvent } from "../Events.ts"
import { afterCommit, HostTransaction, hostAware } from "../HostTransaction.ts"
import type { Rows } from "./Rows.ts"

type Listener = (event: BoxOfficeEvent) => void

/** @internal */
export class CommittedEvents extends Context.Service<
  CommittedEvents,
  {
    /**
     * Calls the listener with every event of a batch that was committed, or may have been, before the
     * batch's callers get their outcomes. Inside a host's transaction it calls after the host's commit,
     * if the host reports that.
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
    const announce = (events: ReadonlyArray<BoxOfficeEvent>): void => {
      for (const event of events) for (const listener of listeners) listener(event)
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
          const announced = Effect.sync(() => announce(events))
          const transacted = store.transact(plan, deciding)
          return Effect.withFiber((fiber) =>
            fiber.getRef(HostTransaction) === undefined
              ? Effect.ensuring(transacted, announced)
              : Effect.tap(transacted, () => afterCommit(announced))
          )
        }
      })
    )
  })
)
