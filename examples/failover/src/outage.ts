/** Measures how long no write is acknowledged, and where that time is spent. */
import type { Call, Caller } from "./ask.ts"
import { type Cluster, query, type Way } from "./cluster.ts"
import type { DatabaseNode } from "./databaseNode.ts"
import { chargeOf, joinOf, type Record } from "./load.ts"
import type { ServingNode } from "./nodes.ts"
import { sleep } from "./processes.ts"

const everyMs = 200

/** Sends writes at a steady rate, whatever becomes of the earlier ones, and notes the acknowledgements. */
abstract class Metronome {
  abstract readonly way: Way | "SQL"
  /** When each write was acknowledged, by the monotonic clock. */
  private readonly acknowledged: Array<number> = [performance.now()]
  private readonly inFlight = new Set<Promise<void>>()
  private readonly timer = setInterval(() => this.tick(), everyMs)

  protected abstract write(): Promise<boolean>

  private tick(): void {
    const written = this.write().then(
      (isAcknowledged) => {
        if (isAcknowledged) this.acknowledged.push(performance.now())
      },
      () => {}
    )
    this.inFlight.add(written)
    written.finally(() => this.inFlight.delete(written))
  }

  /** The longest time without an acknowledgement since an instant. */
  longestGap(since: number): { readonly from: number; readonly to: number } {
    // The last one before the fault is where the outage begins.
    const before = this.acknowledged.findLastIndex((at) => at < since)
    const times = this.acknowledged.slice(Math.max(0, before))
    let longest = { from: since, to: since }
    for (const [index, to] of times.entries()) {
      const from = times[index - 1] ?? to
      if (to - from > longest.to - longest.from) longest = { from, to }
    }
    return longest
  }

  /** Whether writes have been acknowledged without a gap for a while. */
  isSteady(since: number): boolean {
    const last = this.acknowledged.slice(-10)
    return last.length === 10 && last[0]! > since && last[9]! - last[0]! < 20 * everyMs
  }

  async end(): Promise<void> {
    clearInterval(this.timer)
    await Promise.all(this.inFlight)
  }
}

/** Charges wallets through one node. */
export class Charges extends Metronome {
  readonly way: Way
  private readonly node: ServingNode
  private readonly caller: Caller
  private readonly record: Record
  private readonly users: ReadonlyArray<{ readonly userId: string; readonly token: string }>
  private readonly unknown: Array<Call> = []
  private count = 0

  private constructor(
    node: ServingNode,
    caller: Caller,
    record: Record,
    users: ReadonlyArray<{ readonly userId: string; readonly token: string }>
  ) {
    super()
    this.way = node.way
    this.node = node
    this.caller = caller
    this.record = record
    this.users = users
  }

  static async begin(node: ServingNode, caller: Caller, record: Record): Promise<Charges> {
    const joined = Array.from({ length: 20 }, async (_, n) => {
      const userId = `metronome-${node.way}-${n}`
      const token: string = (await caller.resolve(joinOf(userId))).body.token
      record.tokens.set(userId, token)
      return { userId, token }
    })
    return new Charges(node, caller, record, await Promise.all(joined))
  }

  protected async write(): Promise<boolean> {
    const { userId, token } = this.users[this.count % this.users.length]!
    const call = chargeOf(userId, `tick-${this.count++}`, token)
    const answer = await this.caller.once(call, this.node.url)
    if (answer === undefined) this.unknown.push(call)
    else if (answer.status === 201) this.record.charge(userId, answer)
    else
      this.record.faults.push(
        `charge of ${userId}: ${answer.status} ${JSON.stringify(answer.body)}`
      )
    return answer?.status === 201
  }

  /** Finds out what has become of the writes that no node acknowledged, with their own keys. */
  async resolve(): Promise<number> {
    await this.end()
    for (const call of this.unknown) {
      const answer = await this.caller.resolve(call)
      if (answer.status === 201) this.record.charge(call.userId, answer)
      else this.record.faults.push(`charge of ${call.userId}: ${answer.status}`)
    }
    return this.unknown.length
  }
}

/** Inserts a row through HAProxy, each on a connection of its own: what the cluster itself can do. */
export class RawWrites extends Metronome {
  readonly way = "SQL"
  private readonly cluster: Cluster
  constructor(cluster: Cluster) {
    super()
    this.cluster = cluster
  }
  protected async write(): Promise<boolean> {
    await query(this.cluster.url, "INSERT INTO public.raw_write DEFAULT VALUES")
    return true
  }
}

/** When another node than the one that was killed became the leader. */
export const promotionOf = async (
  cluster: Cluster,
  killed: DatabaseNode,
  seconds: number
): Promise<number> => {
  const endsAt = performance.now() + seconds * 1_000
  const promotion = async (node: DatabaseNode): Promise<number> => {
    while (performance.now() < endsAt) {
      const answer = query(cluster.urlOf(node), "SELECT pg_is_in_recovery() AS standby")
      const [row] = await answer.catch(() => [])
      if (row?.standby === false) return performance.now()
      await sleep(100)
    }
    throw new Error(`${node.name} is no leader`)
  }
  return Promise.any(cluster.nodes.filter((node) => node !== killed).map(promotion)).catch(() => {
    throw new Error(`no new leader within ${seconds} s of the end of ${killed.name}`)
  })
}
