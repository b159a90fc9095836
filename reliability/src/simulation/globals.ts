/**
 * What the engine takes from the process, and the simulation decides: time, timers, random values and
 * HTTP requests. They are lent to one world at a time, and given back when it ends.
 */
import crypto from "node:crypto"
import https from "node:https"
import { syncBuiltinESMExports } from "node:module"
import type { Random } from "../random.ts"

export interface Globals {
  /** The wall clock of the current actor, in milliseconds since 1970. */
  now(): number
  /** Milliseconds since the world began. */
  elapsed(): number
  random(): Random
  setTimeout(task: () => void, ms: number): unknown
  setInterval(task: () => void, ms: number): unknown
  clear(timer: unknown): void
  /** Sends a request in place of `node:https`. */
  request(...args: ReadonlyArray<unknown>): unknown
}

let lent: Globals | undefined

type Task = (...args: ReadonlyArray<unknown>) => void

const lentDate = (globals: Globals): DateConstructor =>
  new Proxy(Date, {
    construct: (target, args: []) =>
      args.length === 0 ? new target(globals.now()) : new target(...args),
    get: (target, name) => (name === "now" ? globals.now : Reflect.get(target, name))
  })

/** Lends the globals to a world. Returns the function that gives them back. */
export const borrowGlobals = (globals: Globals): (() => void) => {
  if (lent !== undefined) throw new Error("another world runs in this process")
  lent = globals
  const timer =
    (set: Globals["setTimeout"]) =>
    (task: Task, ms = 0, ...args: ReadonlyArray<unknown>) =>
      set(() => task(...args), ms)
  const restore = [
    replace(globalThis, "Date", lentDate(globals)),
    replace(globalThis, "setTimeout", timer(globals.setTimeout)),
    replace(globalThis, "setInterval", timer(globals.setInterval)),
    replace(globalThis, "setImmediate", (task: Task, ...args: ReadonlyArray<unknown>) =>
      globals.setTimeout(() => task(...args), 0)
    ),
    replace(globalThis, "clearTimeout", globals.clear),
    replace(globalThis, "clearInterval", globals.clear),
    replace(globalThis, "clearImmediate", globals.clear),
    replace(performance, "now", globals.elapsed),
    replace(Math, "random", () => globals.random().next())
  ]
  return () => {
    lent = undefined
    for (const one of restore) one()
  }
}

/** Puts a value in the place of another one. Returns the function that puts the other one back. */
const replace = (object: object, name: string, value: unknown): (() => void) => {
  const before = Object.getOwnPropertyDescriptor(object, name)
  Object.defineProperty(object, name, { value, configurable: true, writable: true })
  return () => {
    if (before === undefined) Reflect.deleteProperty(object, name)
    else Object.defineProperty(object, name, before)
  }
}

// The exports of Node's own modules are replaced once, since that is slow: without a world they do
// what they did before.
const { randomUUID, randomBytes, randomFillSync } = crypto
const { request } = https

const uuidOf = (random: Random): string => {
  const bytes = Buffer.alloc(16)
  random.fill(bytes)
  bytes[6] = (bytes[6]! & 0x0f) | 0x40
  bytes[8] = (bytes[8]! & 0x3f) | 0x80
  const hex = bytes.toString("hex")
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}

Object.assign(crypto, {
  randomUUID: (...args: ReadonlyArray<never>) =>
    lent === undefined ? randomUUID(...args) : uuidOf(lent.random()),
  randomBytes: (size: number, ...rest: ReadonlyArray<never>) => {
    if (lent === undefined)
      return (randomBytes as (...args: Array<unknown>) => Buffer)(size, ...rest)
    const bytes = Buffer.alloc(size)
    lent.random().fill(bytes)
    return bytes
  },
  randomFillSync: (bytes: Uint8Array, ...rest: ReadonlyArray<never>) => {
    if (lent === undefined) return randomFillSync(bytes, ...rest)
    lent.random().fill(bytes)
    return bytes
  }
})
Object.assign(https, {
  request: (...args: ReadonlyArray<never>) =>
    lent === undefined
      ? (request as (...args: ReadonlyArray<unknown>) => unknown)(...args)
      : lent.request(...args)
})
syncBuiltinESMExports()
