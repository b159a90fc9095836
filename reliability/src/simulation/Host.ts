/** The functions that the host of the world gives to the engine. Some throw while the plan says so. */
import type { AdmissionRequest, BoxOfficeEvent, GateRequest, HoldRequest } from "@boxoffice/core"
import type { Random } from "../random.ts"
import type { HostFunction, Setup } from "./plan.ts"

/** The plan makes a function of the host throw: no fault of the engine. */
export class HostFailed extends Error {}

export class Host {
  readonly throwing = new Set<HostFunction>()
  private readonly setup: Setup
  private readonly random: Random
  private readonly count: (what: string) => void

  constructor(setup: Setup, random: Random, count: (what: string) => void) {
    this.setup = setup
    this.random = random
    this.count = count
  }

  /** Some shows are open to all. Then money is as well, since it belongs to no show. */
  readonly gate = ({ operation, performanceId, showId }: GateRequest): boolean => {
    if (this.setup.shows.every(({ isGated }) => isGated)) return true
    if (operation === "charge" || operation === "balance" || operation === "pay") return false
    const shows = this.setup.shows.filter(
      (show, i) => show.showId === showId || `p${i}` === performanceId
    )
    return shows.every(({ isGated }) => isGated)
  }

  readonly price = ({ seats }: HoldRequest): ReadonlyArray<bigint> => {
    this.mayThrow("price")
    return seats.map(({ price }) => price.amount)
  }

  readonly walletCeiling = (): bigint => {
    this.mayThrow("walletCeiling")
    return BigInt(this.setup.walletCeiling)
  }

  readonly admission = ({ room }: AdmissionRequest): number => {
    this.mayThrow("admission")
    return room
  }

  readonly inTransaction = (events: ReadonlyArray<BoxOfficeEvent>): void => {
    if (events.length > 0) this.mayThrow("inTransaction")
  }

  readonly mayThrow = (where: HostFunction): void => {
    if (!this.throwing.has(where) || this.random.chance(0.4)) return
    this.count(`host threw: ${where}`)
    throw new HostFailed(where)
  }
}
