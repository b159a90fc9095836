/** Reads a history that was kept: also one that was cut off, as far as it goes. */
import { readFileSync } from "node:fs"
import type { Facts, FactTable } from "./facts.ts"
import type { Call, Delivered, Fault, History, Line, Message, Progress, Run } from "./history.ts"

/** A file that is no history: what is wrong with it. */
export class HistoryInvalid extends Error {}

export const readHistory = (file: string): History => parseHistory(readFileSync(file, "utf8"))

export const parseHistory = (text: string): History => {
  const lines = text.split("\n").filter((line) => line !== "")
  const calls = new Map<number, Call>()
  const messages: Array<Message> = []
  const faults: Array<Fault> = []
  const deliveries: Array<Delivered> = []
  const progress: Array<Progress> = []
  const facts: Record<string, Array<unknown>> = {}
  let run: Run | undefined
  let hasEnd = false
  for (const [index, text] of lines.entries()) {
    const line = lineOf(text)
    if (line === undefined) {
      // A run that is cut off may have written a part of its last line.
      if (run !== undefined && index === lines.length - 1) break
      throw new HistoryInvalid(`its line ${index + 1} is none of a history`)
    }
    if ("endOfRun" in line) hasEnd = true
    else if ("run" in line) run = { ...plain, ...line.run }
    else if ("invoke" in line) {
      const { invoke, at, ...asked } = line
      const open = { call: invoke, invokedAt: at, endedAt: Number.POSITIVE_INFINITY }
      calls.set(invoke, { ...asked, ...open, outcome: "unknown" })
    } else if ("end" in line) {
      const { end, at, ...answer } = line
      calls.set(end, { ...calls.get(end)!, ...answer, endedAt: at })
    } else if ("told" in line) messages.push(line)
    else if ("fault" in line) faults.push(line)
    else if ("delivered" in line) deliveries.push(line)
    else if ("progress" in line) progress.push(line)
    else facts[line.table] = [...(facts[line.table] ?? []), ...line.rows]
  }
  if (run === undefined) throw new HistoryInvalid("the line that says what ran is missing")
  const all = { ...noFacts, ...facts } as unknown as Facts
  const told = { calls: [...calls.values()], messages, faults, deliveries, progress }
  return { run, ...told, facts: all, hasEnd }
}

/** Each kind of line has a name of its own. */
const kinds = [
  "run",
  "invoke",
  "end",
  "told",
  "fault",
  "delivered",
  "progress",
  "table",
  "endOfRun"
]

const lineOf = (text: string): Line | undefined => {
  try {
    const line = JSON.parse(text)
    return kinds.some((kind) => kind in line) ? line : undefined
  } catch {
    return undefined
  }
}

/** Histories that were kept before these were written. */
const plain = { tls: false, pooled: [] }

const noFacts: Record<FactTable, ReadonlyArray<unknown>> = {
  transfers: [],
  wallets: [],
  reservations: [],
  seats: [],
  tokens: [],
  queues: [],
  events: [],
  due: [],
  verified: [],
  log: []
}
