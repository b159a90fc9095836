/**
 * A data directory that one process has to itself. Two of them in one directory each write over what
 * the other has written: a paid seat was lost.
 */
import {
  linkSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync
} from "node:fs"
import { join } from "node:path"

/** The directories that this process has: its own id in a lock says nothing after a restart. */
const held = new Set<string>()

const ownerOf = (lock: string): number | undefined => {
  try {
    return Number(readFileSync(lock, "utf8"))
  } catch {
    return undefined
  }
}

const isRunning = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // It runs, and is somebody else's.
    return (error as { readonly code?: string }).code === "EPERM"
  }
}

/** Takes the directory, and makes it where there is none; gives the way to let it go. */
export const takeDirectory = (dataDir: string): (() => void) => {
  mkdirSync(dataDir, { recursive: true })
  // One directory can have several names, by links.
  const directory = realpathSync(dataDir)
  const lock = join(directory, "boxoffice.pid")
  if (held.has(directory)) throw inUse(directory, process.pid)
  // A link is there with its text in it, or not at all.
  const own = `${lock}.${process.pid}`
  writeFileSync(own, String(process.pid))
  try {
    for (let attempt = 0; !linked(own, lock); attempt++) {
      const owner = ownerOf(lock)
      if (owner === undefined) continue
      if ((owner !== process.pid && isRunning(owner)) || attempt === 10)
        throw inUse(directory, owner)
      takeAway(lock, owner)
    }
  } finally {
    rmSync(own, { force: true })
  }
  held.add(directory)
  return () => {
    held.delete(directory)
    rmSync(lock, { force: true })
  }
}

const linked = (from: string, to: string): boolean => {
  try {
    linkSync(from, to)
    return true
  } catch (error) {
    if ((error as { readonly code?: string }).code === "EEXIST") return false
    throw error
  }
}

/** Takes away the lock of a process that has ended, but no other that has come in its place. */
const takeAway = (lock: string, owner: number): void => {
  const aside = `${lock}.${process.pid}.ended`
  try {
    renameSync(lock, aside)
  } catch {
    return
  }
  if (ownerOf(aside) !== owner) linked(aside, lock)
  rmSync(aside, { force: true })
}

const inUse = (directory: string, pid: number): Error =>
  new Error(
    `The data directory ${directory} is in use by the process ${pid}: end that one first, or give ` +
      "another directory. To run several nodes, use a Postgres server."
  )
