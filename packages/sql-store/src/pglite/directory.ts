/**
 * Locks a data directory for one process. Two processes in one directory overwrite each other's
 * data: a paid seat was lost that way.
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

/**
 * The directories that this process holds, until it releases them. Its own id in a lock file proves
 * nothing, since another process may have had the same id before a restart.
 */
const held = new Set<string>()

/** `undefined` if the lock is gone, or does not say. */
const ownerOf = (lock: string): number | undefined => {
  try {
    return Number(readFileSync(lock, "utf8")) || undefined
  } catch {
    return undefined
  }
}

/** More than it takes if other processes come and go: then the lock cannot be read or replaced. */
const attemptsMax = 10

const isRunning = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // The process runs, under another user.
    return (error as { readonly code?: string }).code === "EPERM"
  }
}

/**
 * Locks the directory, and creates it if it does not exist. Returns a function that releases it.
 */
export const takeDirectory = (dataDir: string): (() => void) => {
  mkdirSync(dataDir, { recursive: true })
  // A directory can have several names, by links.
  const directory = realpathSync(dataDir)
  const lock = join(directory, "boxoffice.pid")
  if (held.has(directory)) throw inUse(directory, process.pid)
  // A link appears together with its content, or not at all.
  const own = `${lock}.${process.pid}`
  writeFileSync(own, String(process.pid))
  try {
    for (let attempt = 0; !linked(own, lock); attempt++) {
      const owner = ownerOf(lock)
      if (attempt === attemptsMax)
        throw owner === undefined ? unreadable(lock) : inUse(directory, owner)
      if (owner === undefined) continue
      if (owner !== process.pid && isRunning(owner)) throw inUse(directory, owner)
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

/**
 * Removes the lock of a process that has ended, but not one that another process has created in its
 * place.
 */
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

const unreadable = (lock: string): Error =>
  new Error(
    `The file ${lock} should name the process that uses the data directory, and does not: if no ` +
      "process uses it, remove the file."
  )

const inUse = (directory: string, pid: number): Error =>
  new Error(
    `The data directory ${directory} is in use by the process ${pid}: end that one first, or give ` +
      "another directory. To run several nodes, use a Postgres server."
  )
