/**
 * Plays histories in which the transactions of two nodes overlap at chosen points, and a third session
 * holds a row: on both databases, comparing them after each step.
 */
import { Cause, Effect, Exit } from "effect"
import { type Arena, type Node, openMemoryArena, type ServerNodes, turn } from "./arenas.ts"
import type { Count } from "./check.ts"
import { type Command, prepare, remember, runCommand } from "./commands.ts"
import { gathered, type Step } from "./overlapSteps.ts"
import { comparing, type Side } from "./sides.ts"

/** A sale that has begun: what the nodes meet at. */
const prepareSale = Effect.fnUntraced(function* (side: Side) {
  yield* prepare(side)
  const commands: ReadonlyArray<Command> = [
    { _tag: "join", user: 0, hasCode: false },
    { _tag: "join", user: 1, hasCode: false },
    { _tag: "hold", user: 2, first: 4, seats: 1 },
    { _tag: "pay", which: 0, isOwn: true },
    { _tag: "hold", user: 1, first: 1, seats: 1 },
    { _tag: "hold", user: 0, first: 0, seats: 1 }
  ]
  for (const [n, command] of commands.entries()) {
    remember(side, command, yield* Effect.orDie(runCommand(side, command, n + 1)))
  }
})

/** Commands of one node that are under way together. */
interface Running {
  readonly commands: ReadonlyArray<Command>
  readonly exits: Array<Exit.Exit<unknown, unknown> | undefined>
  hasEnded: boolean
}

const begun = ({ side }: Node, commands: ReadonlyArray<Command>, number: number): Running => {
  const running: Running = { commands, exits: commands.map(() => undefined), hasEnded: false }
  const each = commands.map((command, i) =>
    Effect.map(Effect.exit(runCommand(side, command, 10 * number + i)), (exit) => {
      running.exits[i] = exit
    })
  )
  Effect.runFork(
    Effect.ensuring(
      Effect.all(each, { concurrency: "unbounded", discard: true }),
      Effect.sync(() => {
        running.hasEnded = true
      })
    )
  )
  return running
}

const answerOf = (exit: Exit.Exit<unknown, unknown> | undefined) => {
  if (exit === undefined) return "none yet"
  if (Exit.isSuccess(exit)) return { answer: exit.value }
  const error = Cause.squash(exit.cause)
  return { refusal: (error as { readonly _tag?: string })._tag ?? String(error) }
}

/** A node that is on its way for longer has lost it. */
const settledWithinMs = 20_000

/** One arena while a history is played on it. */
const playerOf = (arena: Arena, isPatient: boolean) => {
  const running: [Running | undefined, Running | undefined] = [undefined, undefined]
  let isHolding = false

  /** What a node does, unless it is on its way. */
  const standing = (n: number): string | undefined => {
    const { gate, heard } = arena.nodes[n]!
    const under = running[n]
    if (under === undefined) return "idle"
    if (under.hasEnded) return "has ended"
    if (gate.isDown) return "is cut off"
    if (gate.heldAt !== undefined) return `is held before its ${gate.heldAt}`
    if (isPatient || heard.locked.length < 2) return undefined
    return `stands behind ${heard.locked[1]!.join().replaceAll("\n", "/")}`
  }

  /** Waits until no node is on its way. Gives what each does, and what those that have ended answer. */
  const settle = async () => {
    const until = Date.now() + settledWithinMs
    for (const n of [0, 1]) if (arena.nodes[n]!.gate.isDown) await arena.gone(n)
    for (;;) {
      if (Date.now() > until) return [standing(0) ?? "is lost", standing(1) ?? "is lost"]
      const before = [standing(0), standing(1)]
      const waiting = isPatient && before.includes(undefined) ? await arena.waiting() : new Set()
      await turn()
      const after = [standing(0), standing(1)]
      const found = after.map((each, n) => each ?? (waiting.has(n) ? "waits" : undefined))
      if (before.join() === after.join() && !found.includes(undefined)) return found
    }
  }

  const harvest = () =>
    [0, 1].map((n) => {
      const under = running[n]
      const answers = under?.exits.map(answerOf)
      if (!under?.hasEnded) return answers
      for (const [i, exit] of under.exits.entries()) {
        if (exit && Exit.isSuccess(exit))
          remember(arena.nodes[n]!.side, under.commands[i]!, exit.value)
      }
      running[n] = undefined
      arena.nodes[n]!.gate.goOn()
      return answers
    })

  const decided = () => (isPatient ? arena.nodes.map(({ heard }) => heard.decided) : [])

  /** Takes a step. Gives what can be compared, or `undefined` if the step cannot be taken now. */
  const take = async (step: Step, commands: ReadonlyArray<Command>, number: number) => {
    for (const { heard } of arena.nodes) heard.forget()
    let held: boolean | undefined
    switch (step._tag) {
      case "begin": {
        const node = arena.nodes[step.node]!
        if (step.stopsAt !== "nothing") node.gate.arm(step.stopsAt)
        running[step.node] = begun(node, commands, number)
        break
      }
      case "go on":
        arena.nodes[step.node]!.gate.goOn()
        break
      case "cut":
        arena.nodes[step.node]!.gate.cut()
        break
      case "kill":
        await arena.kill(step.node)
        break
      case "hold row":
        held = await arena.holder.hold(step.row)
        isHolding = true
        break
      case "release row":
        await arena.holder.release()
        isHolding = false
        break
      case "alone":
        running[0] = begun(arena.nodes[0], commands, number)
    }
    const nodes = await settle()
    return { nodes, held, decided: decided(), answers: harvest() }
  }

  const isOpen = () => isHolding || running.some((each) => each !== undefined)

  const isPossible = (step: Step, stood: ReadonlyArray<string | undefined>): boolean => {
    switch (step._tag) {
      case "begin":
        return running[step.node] === undefined
      case "go on":
        return /held|cut/.test(stood[step.node] ?? "")
      case "cut":
        return /held/.test(stood[step.node] ?? "")
      case "kill":
        return stood[step.node] === "waits"
      case "hold row":
        return !isHolding
      case "release row":
        return isHolding
      case "alone":
        return !isOpen()
    }
  }

  /** Ends what is open, whatever it is. */
  const end = async () => {
    if (isHolding) await arena.holder.release()
    while (running.some((each) => each && !each.hasEnded)) {
      for (const { gate } of arena.nodes) gate.goOn()
      await turn()
    }
  }
  return { take, isPossible, end }
}

export interface OverlapOptions {
  readonly lockTimeoutMs: number
  /** Whether no wait for a lock ends by its time limit; else all do that last. */
  readonly isPatient: boolean
}

export const playOverlaps =
  (server: ServerNodes, { lockTimeoutMs, isPatient }: OverlapOptions) =>
  (history: ReadonlyArray<Step>, count: Count) =>
    Effect.gen(function* () {
      const open = (arena: Arena) =>
        Effect.acquireRelease(
          Effect.sync(() => playerOf(arena, isPatient)),
          (player) => Effect.promise(player.end)
        )
      const mine = yield* openMemoryArena(lockTimeoutMs)
      const theirs = yield* server.open
      for (const { nodes } of [mine, theirs]) yield* prepareSale(nodes[0].side)
      const memory = yield* open(mine)
      const postgres = yield* open(theirs)
      const story: Array<string> = []
      const { same, sameRows, sameReadings } = comparing(
        story,
        mine.nodes[0].side,
        theirs.nodes[0].side
      )
      let stood: ReadonlyArray<string | undefined> = ["idle", "idle"]
      let before: readonly [ReadonlyArray<Command>, number] = [[], 0]

      const take = Effect.fnUntraced(function* (step: Step, n: number) {
        if (step._tag === "begin" && step.command._tag !== "repeat") {
          const { command, more } = step
          before = [gathered(command, more) as ReadonlyArray<Command>, n]
        }
        const [commands, number] = step._tag === "alone" ? [[step.command], n] : before
        if (step._tag === "begin" && commands.length === 0) return
        if (!memory.isPossible(step, stood)) return
        story.push(JSON.stringify(step))
        const [told, real] = yield* Effect.promise(() =>
          Promise.all([
            memory.take(step, commands as ReadonlyArray<Command>, number),
            postgres.take(step, commands as ReadonlyArray<Command>, number)
          ])
        )
        story.push(`  node 0 ${told.nodes[0]}, node 1 ${told.nodes[1]}`)
        count(
          `${step._tag}: ${told.nodes
            .map((each) => each?.replace(/behind .*/, "behind"))
            .sort()
            .join(", ")}`
        )
        yield* same("the steps", told, real)
        yield* sameRows(mine.rows(), server.sql)
        stood = told.nodes.map((each) => (each === "has ended" ? "idle" : each))
      })
      for (const [n, step] of history.entries()) yield* take(step, n + 10)
      // In the end nothing stays open.
      yield* take({ _tag: "release row" }, 0)
      for (const node of [0, 1, 0]) yield* take({ _tag: "go on", node }, 0)
      yield* sameReadings()
    }).pipe(Effect.scoped)
