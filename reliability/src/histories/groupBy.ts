export const groupBy = <A, Key>(
  items: ReadonlyArray<A>,
  of: (item: A) => Key
): Map<Key, ReadonlyArray<A>> => {
  const groups = new Map<Key, Array<A>>()
  for (const item of items) {
    const group = groups.get(of(item))
    if (group === undefined) groups.set(of(item), [item])
    else group.push(item)
  }
  return groups
}
