/** The timers of a world run as those of Node do. */
import { expect, test } from "vitest"
import { Timers } from "../../src/simulation/Timers.ts"

const drain = (timers: Timers, most = 100): void => {
  for (let i = 0; i < most && timers.count > 0; i++) timers.next()
}

test("timers run in the order of their instants, and of one instant in the order of their setting", () => {
  const timers = new Timers(1_000)
  const ran: Array<string> = []
  const delays = [7, 3, 9, 3, 0, 7, 1, 3, 9, 0]
  for (const [index, ms] of delays.entries()) {
    timers.once(() => ran.push(`${index} at ${timers.now - 1_000}`), ms)
  }
  drain(timers)
  const expected = delays
    .map((ms, index) => ({ ms, index }))
    .sort((a, b) => a.ms - b.ms)
    .map(({ ms, index }) => `${index} at ${ms}`)
  expect(ran).toEqual(expected)
  expect(timers.count).toBe(0)
})

test("a cleared timer does not run, and time does not move on to it", () => {
  const timers = new Timers(0)
  const ran: Array<number> = []
  const cleared = timers.once(() => ran.push(5), 5)
  timers.once(() => ran.push(8), 8)
  timers.clear(cleared)
  timers.clear(cleared)
  expect(timers.count).toBe(1)
  timers.next()
  expect([timers.now, ran]).toEqual([8, [8]])
  timers.clear(undefined)
})

test("an interval runs again and again, until it is cleared from within", () => {
  const timers = new Timers(0)
  const ran: Array<number> = []
  const interval = timers.interval(() => {
    ran.push(timers.now)
    if (ran.length === 3) timers.clear(interval)
  }, 4)
  drain(timers)
  expect(ran).toEqual([4, 8, 12])
})

test("a delay is a whole number of milliseconds, none if it is negative, and 1 if it is too long", () => {
  const timers = new Timers(0)
  const ran: Array<string> = []
  for (const ms of [2.9, -5, Number.NaN, 2 ** 31]) {
    timers.once(() => ran.push(`${ms} at ${timers.now}`), ms)
  }
  drain(timers)
  expect(ran).toEqual(["-5 at 0", "NaN at 0", "2147483648 at 1", "2.9 at 2"])
})
