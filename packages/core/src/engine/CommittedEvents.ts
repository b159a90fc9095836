/** Tells who keeps a copy of something in memory that this node has just changed it. */
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
     * The listener hears of every event of a batch that was committed, or may have been, before
     * the batch's callers hear of their outcomes. Inside a host's transaction it hears once that
     * was committed, if the engine is told.
     */
    readonly listen: (listener: Listener) => void
  }
>()("@boxoffice/core/CommittedEvents") {}

/** Puts a host's transaction, and the announcement of what changed, in front of a store. */
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
