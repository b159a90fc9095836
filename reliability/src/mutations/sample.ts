import { createHash } from "node:crypto"

/** As many of them as asked, the same for the same seed, and others for another. */
export const sampleOf = <A extends { readonly name: string }>(
  all: ReadonlyArray<A>,
  size: number,
  seed: string
): ReadonlyArray<A> => {
  const rank = ({ name }: A) => createHash("sha256").update(`${seed}/${name}`).digest("hex")
  return all
    .map((one) => ({ one, rank: rank(one) }))
    .sort((a, b) => (a.rank < b.rank ? -1 : 1))
    .slice(0, size)
    .map(({ one }) => one)
}
