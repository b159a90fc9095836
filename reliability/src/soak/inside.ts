/**
 * Loaded into each node of the soak, before the server: tells the soak how much memory the node has
 * and how late its event loop is. A node does not outlive the soak that started it.
 */
import { monitorEventLoopDelay } from "node:perf_hooks"

export interface Inside {
  /** What is alive after a full collection, in bytes. */
  readonly heapUsed: number
  /** Memory of buffers, outside of the heap. */
  readonly external: number
  readonly rss: number
  /** Since the sample before, in milliseconds. */
  readonly loopDelayP99Ms: number
}

const delay = monitorEventLoopDelay({ resolution: 10 })
delay.enable()

process.on("message", (message) => {
  if (message !== "sample") return
  // Before the collection, which would count as a delay.
  const loopDelayP99Ms = delay.percentile(99) / 1e6
  globalThis.gc?.()
  const { heapUsed, external, rss } = process.memoryUsage()
  process.send?.({ heapUsed, external, rss, loopDelayP99Ms } satisfies Inside)
  delay.reset()
})
process.on("disconnect", () => process.exit(1))
