/**
 * Clocks that can be set while their processes run, by libfaketime (the Debian package `faketime`):
 * it is preloaded, and reads by how much to be wrong from a file.
 */
import { existsSync, writeFileSync } from "node:fs"
import { join } from "node:path"

const places = ["x86_64-linux-gnu", "aarch64-linux-gnu"].flatMap((machine) => [
  `/usr/lib/${machine}/faketime/libfaketime.so.1`,
  `/usr/lib64/faketime/libfaketime.so.1`
])

export interface SettableClock {
  /** For the processes that follow this clock. */
  readonly environment: Readonly<Record<string, string>>
  readonly set: (offsetSeconds: number) => void
}

/** `undefined` where libfaketime is not installed. */
export const makeClock = (directory: string, name: string): SettableClock | undefined => {
  const library = places.find((place) => existsSync(place))
  if (library === undefined) return undefined
  const file = join(directory, `clock-of-${name}`)
  const set = (offsetSeconds: number) =>
    writeFileSync(file, `${offsetSeconds < 0 ? "" : "+"}${offsetSeconds}\n`, { mode: 0o644 })
  set(0)
  return {
    environment: {
      LD_PRELOAD: library,
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_NO_CACHE: "1",
      // Timers and timeouts go by the monotonic clock, which no operator can set.
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
      DONT_FAKE_MONOTONIC: "1"
    },
    set
  }
}
