/** Mermaid sequence diagrams, as far as the pages use them: every path through one, step by step. */

interface Path {
  /** The branches taken, such as `a token / admitted`; empty where there is no choice. */
  readonly name: string
  /** The solid arrows, and the answer to the user. */
  readonly steps: ReadonlyArray<string>
}

export interface Sequence {
  readonly participants: ReadonlyArray<string>
  readonly paths: ReadonlyArray<Path>
}

type Node = string | { readonly branches: Array<Branch> }
interface Branch {
  readonly label: string
  readonly nodes: Array<Node>
}

const nothing: Path = { name: "", steps: [] }

export const parseSequence = (text: string): Sequence => {
  const participants: Array<string> = []
  const top: Branch = { label: "", nodes: [] }
  const open: Array<Branch> = [top]
  for (const line of text.split("\n").map((line) => line.trim())) {
    // To Mermaid it ends a statement.
    if (line.includes(";")) throw new Error(`a semicolon: ${line}`)
    const [word, ...words] = line.split(" ")
    const rest = words.join(" ")
    const current = open.at(-1)!
    if (word === "actor" || word === "participant") participants.push(rest)
    else if (word === "alt" || word === "opt") {
      const branch: Branch = { label: rest, nodes: [] }
      // What is optional is a choice between it and nothing.
      const branches = word === "opt" ? [branch, { label: "", nodes: [] }] : [branch]
      current.nodes.push({ branches })
      open.push(branch)
    } else if (word === "else") {
      open.pop()
      const choice = open.at(-1)!.nodes.at(-1) as Exclude<Node, string>
      const branch: Branch = { label: rest, nodes: [] }
      choice.branches.push(branch)
      open.push(branch)
    } else if (word === "end") open.pop()
    else {
      const arrow = line.match(/^(\w+)(--?)>>(\w+): (.*)$/)
      if (arrow === null) {
        if (!/^(sequenceDiagram|Note .*|)$/.test(line)) throw new Error(`not understood: ${line}`)
        continue
      }
      const [, from, dashes, to, what] = arrow
      for (const name of [from!, to!]) {
        if (!participants.includes(name)) throw new Error(`no participant: ${name}`)
      }
      if (dashes === "-" || to === "User") current.nodes.push(`${from} -> ${to}: ${what}`)
    }
  }
  if (open.length !== 1) throw new Error("a block is not closed")
  return { participants, paths: pathsThrough(top.nodes) }
}

const pathsThrough = (nodes: ReadonlyArray<Node>): ReadonlyArray<Path> => {
  const [node, ...others] = nodes
  if (node === undefined) return [nothing]
  const heads =
    typeof node === "string"
      ? [{ name: "", steps: [node] }]
      : node.branches.flatMap(({ label, nodes }) =>
          pathsThrough(nodes).map((path) => ({ name: join(label, path.name), steps: path.steps }))
        )
  return heads.flatMap((head) =>
    pathsThrough(others).map((tail) => ({
      name: join(head.name, tail.name),
      steps: [...head.steps, ...tail.steps]
    }))
  )
}

const join = (...names: ReadonlyArray<string>) => names.filter((name) => name !== "").join(" / ")
