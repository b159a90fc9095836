/**
 * The timers of a world, and its time. They run in the order of their instants, and those of one
 * instant in the order in which they were set.
 */

/** The longest delay of a timer of Node, in milliseconds. A longer one counts as 1. */
const delayMax = 2 ** 31 - 1

/** What `setTimeout` returns: it keeps no process alive, so it can be told to and nothing changes. */
export class Timer {
  at: number
  readonly order: number
  task: () => void
  /** Of an interval; 0 for a timer that runs once. */
  readonly everyMs: number
  isSet = true

  constructor(at: number, order: number, task: () => void, everyMs: number) {
    this.at = at
    this.order = order
    this.task = task
    this.everyMs = everyMs
  }

  ref(): this {
    return this
  }

  unref(): this {
    return this
  }

  hasRef(): boolean {
    return true
  }
}

export class Timers {
  now: number
  /** A binary heap. It has cleared timers as well, until their turn comes. */
  private readonly heap: Array<Timer> = []
  private made = 0
  private set = 0

  constructor(now: number) {
    this.now = now
  }

  /** How many timers are set. */
  get count(): number {
    return this.set
  }

  once(task: () => void, ms: number): Timer {
    return this.add(task, ms, 0)
  }

  interval(task: () => void, ms: number): Timer {
    return this.add(task, ms, Math.max(1, delayOf(ms)))
  }

  clear(timer: Timer | undefined): void {
    if (timer?.isSet !== true) return
    timer.isSet = false
    // The heap keeps the timer, but not all that its task refers to.
    timer.task = nothing
    this.set--
  }

  /** Moves time on to the next timer, and runs it. */
  next(): void {
    for (let timer = this.pop(); timer !== undefined; timer = this.pop()) {
      if (!timer.isSet) continue
      const { task } = timer
      this.now = timer.at
      if (timer.everyMs > 0) {
        timer.at += timer.everyMs
        this.push(timer)
      } else this.clear(timer)
      return task()
    }
  }

  private add(task: () => void, ms: number, everyMs: number): Timer {
    const timer = new Timer(this.now + Math.max(delayOf(ms), everyMs), this.made++, task, everyMs)
    this.set++
    this.push(timer)
    return timer
  }

  private push(timer: Timer): void {
    const { heap } = this
    let index = heap.length
    heap.push(timer)
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (isBefore(heap[parent]!, timer)) break
      heap[index] = heap[parent]!
      index = parent
    }
    heap[index] = timer
  }

  private pop(): Timer | undefined {
    const { heap } = this
    const first = heap[0]
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return first
    let index = 0
    for (;;) {
      let child = 2 * index + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++
      if (isBefore(last, heap[child]!)) break
      heap[index] = heap[child]!
      index = child
    }
    heap[index] = last
    return first
  }
}

const nothing = (): void => {}

const isBefore = (a: Timer, b: Timer): boolean => (a.at === b.at ? a.order < b.order : a.at < b.at)

/** Whole milliseconds, as Node counts them. */
const delayOf = (ms: number): number =>
  ms >= 1 && ms <= delayMax ? Math.trunc(ms) : ms > delayMax ? 1 : 0
