import { spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, expect, test } from "vitest"
import { takeDirectory } from "../src/pglite/directory.ts"

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "boxoffice-directory-"))
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

const lockIn = (directory: string) => join(directory, "boxoffice.pid")

test("a directory is created with its parents, and has one owner at a time", () => {
  const directory = join(root, "not", "there", "yet")
  const letGo = takeDirectory(directory)
  expect(() => takeDirectory(directory)).toThrow(`in use by the process ${process.pid}`)
  letGo()
  expect(existsSync(lockIn(directory))).toBe(false)
  takeDirectory(directory)()
})

test("a link to a directory is the same directory", () => {
  const link = `${root}-link`
  symlinkSync(root, link)
  const letGo = takeDirectory(root)
  expect(() => takeDirectory(link)).toThrow("in use")
  letGo()
  rmSync(link)
})

test("a running process keeps the lock, and one that has ended does not", async () => {
  const other = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"])
  await once(other, "spawn")
  writeFileSync(lockIn(root), String(other.pid))
  expect(() => takeDirectory(root)).toThrow(`in use by the process ${other.pid}`)
  other.kill("SIGKILL")
  await once(other, "exit")
  takeDirectory(root)()
})

test("after a restart with the same process id the directory is free", () => {
  mkdirSync(root, { recursive: true })
  writeFileSync(lockIn(root), String(process.pid))
  takeDirectory(root)()
})
