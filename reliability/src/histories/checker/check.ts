/** Checks a whole history: every invariant, with real-time order. */
import type { History } from "../history.ts"
import { checkDeliveries } from "./deliveries.ts"
import { checkDraws } from "./draws.ts"
import { checkDurability } from "./durability.ts"
import { evidenceOf } from "./evidence.ts"
import { Judge, type Verdict } from "./judge.ts"
import { checkKeys } from "./keys.ts"
import { checkLedger } from "./ledger.ts"
import { checkPositions } from "./positions.ts"
import { checkProgress, checkVerified } from "./progress.ts"
import { checkReads } from "./reads.ts"
import { replay } from "./replay.ts"
import { checkSales } from "./sales.ts"
import { checkSeatMaps } from "./seatMaps.ts"
import { checkStreams } from "./streams.ts"
import { checkWays } from "./ways.ts"

export const checkHistory = (history: History): Verdict => {
  const judge = new Judge()
  const evidence = evidenceOf(history)
  checkDurability(evidence, judge)
  checkKeys(evidence, judge)
  checkLedger(evidence, judge)
  checkSales(evidence, judge)
  const replayed = replay(evidence, judge)
  checkPositions(evidence, replayed, judge)
  checkDraws(evidence, replayed, judge)
  checkStreams(evidence, judge)
  checkReads(evidence, judge)
  checkSeatMaps(evidence, judge)
  checkDeliveries(evidence, judge)
  checkProgress(evidence, judge)
  checkVerified(evidence, judge)
  checkWays(evidence, judge)
  return judge.verdict()
}
