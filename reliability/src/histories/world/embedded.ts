/** A node that is an engine embedded in a process of its own, which clients reach by the SDK. */
import type { ChildProcess } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import type { RecordedEvent } from "@boxoffice/core"
import type { Asked } from "../history.ts"
import type { Line } from "../line/line.ts"
import type { SettableClock } from "./clocks.ts"
import { type Node, type Reply, Supervised, type Way } from "./node.ts"

/** What the harness asks the process, and is told by it. */
export type ToEmbedded =
  | { readonly ask: number; readonly asked: Asked }
  | { readonly ping: number }
  | { readonly handled: number }
export type FromEmbedded =
  | { readonly open: true }
  | { readonly answer: number; readonly reply: Reply }
  | ({ readonly event: number; readonly type: string } & Pick<RecordedEvent, "id" | "aggregate">)

export interface EmbeddedOptions {
  readonly name: string
  readonly line: Line
  readonly clock: SettableClock | undefined
  readonly logs: string
  readonly consumer: string
  readonly way: Way
  readonly onEvent: (event: { id: string; aggregate: string; type: string }) => void
  readonly onEnd: (name: string, how: string) => void
}

export const makeEmbedded = (options: EmbeddedOptions): Node => {
  const { name, line, clock, logs, consumer, way, onEvent, onEnd } = options
  const waiting = new Map<number, (reply: Reply) => void>()
  let asks = 0
  const hear = (child: ChildProcess) => {
    child.on("message", (message: FromEmbedded) => {
      if ("answer" in message) {
        waiting.get(message.answer)?.(message.reply)
      } else if ("event" in message) {
        const { id, type, aggregate } = message
        onEvent({ id, type, aggregate: `${aggregate.kind}/${aggregate.id}` })
        // Only now may the consumer pass it.
        tell(child, { handled: message.event })
      }
    })
    child.on("exit", () => {
      for (const answer of waiting.values()) answer({ code: "process_ended", isLost: true })
    })
  }
  const child = new Supervised({
    name,
    program: fileURLToPath(new URL("./embeddedProcess.ts", import.meta.url)),
    args: [],
    environment: {
      ...clock?.environment,
      ...way.environment,
      LINE_URL: line.url,
      PREPARED_STATEMENTS: way.isPooled ? "off" : "on",
      CONSUMER: consumer
    },
    logs,
    untilServing: async (child) => {
      hear(child)
      await once(child, "message")
    },
    onEnd
  })
  const ask = (message: (ask: number) => ToEmbedded, withinMs: number): Promise<Reply> => {
    const process = child.child
    if (process === undefined || !process.connected) return Promise.resolve(notSent)
    const id = ++asks
    return new Promise((resolve) => {
      const answer = (reply: Reply) => {
        clearTimeout(timer)
        waiting.delete(id)
        resolve(reply)
      }
      const timer = setTimeout(() => answer({ code: "timeout", isLost: true }), withinMs)
      waiting.set(id, answer)
      tell(process, message(id))
    })
  }
  return {
    name,
    line,
    clock,
    send: (asked, withinMs) => ask((id) => ({ ask: id, asked }), withinMs),
    isReady: async () => (await ask((id) => ({ ping: id }), 3_000)).code === undefined,
    ...child.controls
  }
}

const notSent: Reply = { code: "not_sent", isLost: true }

const tell = (child: ChildProcess, message: ToEmbedded) => {
  // The process may end at any moment.
  if (child.connected) child.send(message, () => {})
}
