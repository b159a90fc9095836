import { describe, expect, it } from "vitest"
import { commandIdOf, newCommandId } from "../src/engine/CommandIds.ts"
import { isUuid } from "../src/Ids.ts"

describe("the ids of commands", () => {
  it("are UUIDv7, all different, and in order of making", () => {
    const ids = Array.from({ length: 20_000 }, newCommandId)
    expect(ids.every((id) => isUuid(id) && id[14] === "7" && "89ab".includes(id[19]!))).toBe(true)
    expect(new Set(ids).size).toBe(ids.length)
    expect(ids.toSorted()).toEqual(ids)
    const age = Date.now() - Number.parseInt(ids.at(-1)!.replace("-", "").slice(0, 12), 16)
    expect(age).toBeLessThan(60_000)
  })

  it("stand for one key of one user and operation", () => {
    const id = commandIdOf("ada", "pay", "k")
    expect(isUuid(id) && id[14] === "8").toBe(true)
    expect(commandIdOf("ada", "pay", "k")).toBe(id)
    // No two ways of drawing the line between the parts give the same id.
    const others = [
      commandIdOf("bob", "pay", "k"),
      commandIdOf("ada", "hold", "k"),
      commandIdOf("ada", "pay", "kk"),
      commandIdOf("adapay", "", "k")
    ]
    expect(new Set([id, ...others]).size).toBe(5)
  })
})
