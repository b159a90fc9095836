/** Snapshots as a text, `xmin:xmax:xip`, as Postgres writes them. */

interface Snapshot {
  readonly xmin: number
  readonly xmax: number
  /** The transactions between these that were in progress. */
  readonly inProgress: ReadonlySet<number>
}

/** A transaction's own id is not among those in progress, as seen by itself. */
export const formatSnapshot = (
  inProgress: ReadonlyArray<number>,
  latestOver: number,
  own: number
): string => {
  const xmax = latestOver + 1
  const before = inProgress.filter((xid) => xid < xmax).sort((a, b) => a - b)
  const others = before.filter((xid) => xid !== own)
  return `${before[0] ?? xmax}:${xmax}:${others.join(",")}`
}

export const parseSnapshot = (text: string): Snapshot => {
  const [xmin, xmax, xip] = text.split(":") as [string, string, string]
  return {
    xmin: Number(xmin),
    xmax: Number(xmax),
    inProgress: new Set(xip === "" ? [] : xip.split(",").map(Number))
  }
}

/** Whether a transaction was over when the snapshot was taken. */
export const isVisibleIn = ({ xmin, xmax, inProgress }: Snapshot, xid: number): boolean =>
  xid < xmin || (xid < xmax && !inProgress.has(xid))
