/** The Debian packages of the cluster: finds them, and installs those that are missing. */
import { execFileSync } from "node:child_process"
import { existsSync, rmSync, writeFileSync } from "node:fs"

/** Where the server's own programs are. */
export const postgresBinaries = "/usr/lib/postgresql/15/bin"

/** Each package, and the program of it that the cluster runs. */
const programs = {
  "postgresql-15": `${postgresBinaries}/postgres`,
  patroni: "/usr/bin/patroni",
  "etcd-server": "/usr/bin/etcd",
  haproxy: "/usr/sbin/haproxy",
  pgbouncer: "/usr/sbin/pgbouncer",
  "util-linux": "/usr/bin/setpriv"
} as const

type Name = keyof typeof programs

export const programOf = (name: Name): string => programs[name]

const all = Object.keys(programs) as ReadonlyArray<Name>

const missing = (wanted: ReadonlyArray<Name>): ReadonlyArray<string> =>
  wanted.filter((name) => !existsSync(programs[name]))

const isRoot = process.getuid?.() === 0

/** Debian starts a service when it installs its package, unless this program refuses. */
const policy = "/usr/sbin/policy-rc.d"

/**
 * Installs what is missing, with apt. Returns why it cannot, or undefined once every program is there.
 * The services of the packages are not started: the cluster starts its own, apart from the machine's.
 */
export const installPackages = (
  print: (line: string) => void,
  packages: ReadonlyArray<Name> = all
): string | undefined => {
  const names = missing(packages)
  if (names.length === 0) return undefined
  const wanted = `apt-get install ${names.join(" ")}`
  if (!existsSync("/usr/bin/apt-get"))
    return `this is not a Debian system: there is no apt-get for ${names.join(", ")}`
  if (!isRoot) return `run this as root, or once run: ${wanted}`
  print(`installing ${names.join(", ")}`)
  const addsPolicy = !existsSync(policy)
  if (addsPolicy) writeFileSync(policy, "#!/bin/sh\nexit 101\n", { mode: 0o755 })
  try {
    apt(["update"])
    apt(["install", "--yes", "--no-install-recommends", ...names])
  } catch (error) {
    return `${wanted} failed: ${error instanceof Error ? error.message : error}`
  } finally {
    if (addsPolicy) rmSync(policy, { force: true })
  }
  const left = missing(packages)
  return left.length === 0 ? undefined : `${left.join(", ")} cannot be found after the installation`
}

const apt = (args: ReadonlyArray<string>) =>
  execFileSync("apt-get", ["-qq", ...args], {
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
    stdio: ["ignore", "ignore", "pipe"],
    timeout: 300_000
  })
