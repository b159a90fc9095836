/**
 * The plan of a world: everything that its seed decides, as data. The world performs the plan and draws
 * only latencies and the like, each from the number of the step that it belongs to. So a step that is
 * left out changes no other one, and a failing plan shrinks by leaving out parts.
 */
import type { QueueMode, QueueSettings } from "@boxoffice/core"

export interface QueuePlan {
  readonly queueId: string
  readonly settings: QueueSettings
  /** The opening, in milliseconds after the start; `null` for a queue without a draw. */
  readonly opensInMs: number | null
  /** How many joins the code of the priority lane is good for. */
  readonly codeUses: number
}

export interface ShowPlan {
  readonly showId: string
  readonly queueId: string
  /** Whether its operations need a queue token. */
  readonly isGated: boolean
  readonly seats: number
  /** 0 for free seats. */
  readonly price: number
}

interface NodePlan {
  /** How far its clock is ahead, in milliseconds. */
  readonly skewMs: number
  readonly maxConnections: number
}

export interface ConsumerPlan {
  readonly name: string
  readonly leaseMs: number
  readonly node: number
}

export interface EndpointPlan {
  readonly name: string
  readonly attempts: number
  readonly retryMs: number
  readonly timeoutMs: number
}

export interface Setup {
  readonly nodes: ReadonlyArray<NodePlan>
  readonly queues: ReadonlyArray<QueuePlan>
  readonly shows: ReadonlyArray<ShowPlan>
  readonly consumers: ReadonlyArray<ConsumerPlan>
  readonly endpoints: ReadonlyArray<EndpointPlan>
  readonly holdSeconds: number
  readonly seatsPerUser: number
  readonly walletCeiling: number
  readonly endedTokenSeconds: number
  /** The most commands of one batch. */
  readonly batchSize: number
  readonly sweepEveryMs: number
  /** Of one way between a client and a node. */
  readonly latencyMs: readonly [low: number, high: number]
  /** Of one way between a node and the database. */
  readonly storeLatencyMs: readonly [low: number, high: number]
}

/**
 * How a user behaves.
 * - honest: joins, polls as told, holds, charges, pays
 * - greedy: sends every request several times at once, to several nodes
 * - slow: pauses for long between the steps
 * - repeating: repeats each request later with its key, also with another body
 * - absent: joins and never comes back
 * - fickle: joins, and leaves after a moment
 */
export type Manner = "honest" | "greedy" | "slow" | "repeating" | "absent" | "fickle"

/** What a user does at the end: pay for the hold, release it, leave the queue, or nothing. */
type Ending = "pay" | "release" | "leave" | "idle"

export interface Visit {
  readonly do: "visit"
  readonly user: number
  readonly manner: Manner
  readonly ending: Ending
  readonly show: number
  /** How many seats, and the first of them. */
  readonly seats: number
  readonly first: number
  readonly withCode: boolean
  /** Whether the requests carry idempotency keys. */
  readonly keyed: boolean
  readonly node: number
}

export type Operation =
  | { readonly do: "mode"; readonly queue: number; readonly mode: QueueMode }
  | { readonly do: "configure"; readonly queue: number; readonly change: Partial<QueueSettings> }
  | { readonly do: "reschedule"; readonly queue: number; readonly inMs: number }
  | { readonly do: "codes"; readonly queue: number; readonly uses: number }
  | { readonly do: "addSeats"; readonly show: number; readonly count: number }
  | { readonly do: "refund"; readonly nth: number }
  | { readonly do: "redeliver"; readonly endpoint: number }
  | { readonly do: "resetConsumer"; readonly consumer: number }
  | { readonly do: "resetWebhooks"; readonly endpoint: number }
  | { readonly do: "moveConsumer"; readonly consumer: number; readonly node: number }

/** A fault begins at its step and ends after `forMs`. */
export type Fault =
  | { readonly do: "slowNetwork"; readonly forMs: number; readonly ms: number }
  | { readonly do: "loseCalls"; readonly forMs: number; readonly percent: number }
  | { readonly do: "duplicateCalls"; readonly forMs: number; readonly percent: number }
  | {
      readonly do: "cutStore"
      readonly forMs: number
      readonly node: number
      readonly percent: number
      readonly when: "before commit" | "after commit" | "anywhere"
    }
  | { readonly do: "slowStore"; readonly forMs: number; readonly node: number; readonly ms: number }
  | { readonly do: "silentStore"; readonly forMs: number; readonly node: number }
  | { readonly do: "killBackends" }
  | { readonly do: "crashStore"; readonly forMs: number }
  | { readonly do: "readOnly"; readonly forMs: number }
  | { readonly do: "lockRows"; readonly forMs: number; readonly rows: LockedRows }
  | { readonly do: "stepClock"; readonly ms: number }
  | { readonly do: "stepNodeClock"; readonly node: number; readonly ms: number }
  | { readonly do: "killNode"; readonly node: number; readonly forMs: number }
  | { readonly do: "closeNode"; readonly node: number; readonly forMs: number }
  | {
      readonly do: "endpointDown"
      readonly endpoint: number
      readonly forMs: number
      readonly how: "refuses" | "resets" | "hangs" | "asks for patience"
    }
  | { readonly do: "hostThrows"; readonly forMs: number; readonly where: HostFunction }

export type LockedRows = "queue" | "wallet" | "seat"
/** A function of the host: a policy, the hook of a transaction, or the handler of a consumer. */
export type HostFunction = "price" | "admission" | "walletCeiling" | "inTransaction" | "handler"

export type Step = { readonly id: number; readonly at: number } & (Visit | Operation | Fault)

export interface Plan {
  readonly seed: number
  readonly theme: string
  readonly setup: Setup
  readonly steps: ReadonlyArray<Step>
}
