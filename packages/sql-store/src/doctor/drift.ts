/** Describes the differences between a schema and the one that the migrations make. */
import type { ExpectedFact } from "./expected.ts"
import { type Fact, keyOf, kinds } from "./facts.ts"
import type { Finding } from "./findings.ts"

export const findDrift = (
  schema: string,
  expected: ReadonlyArray<ExpectedFact>,
  found: ReadonlyArray<Fact>
): ReadonlyArray<Finding> => {
  const expectedBy = byKey(expected)
  const foundBy = byKey(found)
  const tables = (facts: ReadonlyArray<Fact>) =>
    new Set(facts.filter(({ kind }) => kind === "table").map(({ name }) => name))
  const [wanted, there] = [tables(expected), tables(found)]

  const findings: Array<Finding> = []
  for (const fact of inOrder(expected)) {
    const live = foundBy.get(keyOf(fact))
    // If its table is missing, everything that belongs to it is missing as well: the finding names
    // the table alone.
    const hasNoTable = fact.kind !== "table" && wanted.has(fact.owner) && !there.has(fact.owner)
    if (live === undefined && !hasNoTable) findings.push(missing(schema, fact))
    if (live === undefined) continue
    // Compares with the definition as migrated or as restored, whichever fits. An addition to
    // either, such as DISABLED, is a difference.
    const like = live.definition.startsWith(fact.restored) ? fact.restored : fact.definition
    if (live.definition !== like)
      findings.push(changed(schema, { ...fact, definition: like }, live))
  }
  for (const fact of inOrder(found)) {
    const isOfOther = fact.kind !== "table" && there.has(fact.owner) && !wanted.has(fact.owner)
    if (!expectedBy.has(keyOf(fact)) && !isOfOther) findings.push(unexpected(schema, fact))
  }
  return findings
}

const byKey = (facts: ReadonlyArray<Fact>) => new Map(facts.map((fact) => [keyOf(fact), fact]))
const inOrder = <F extends Fact>(facts: ReadonlyArray<F>): ReadonlyArray<F> =>
  facts.toSorted(
    (a, b) => kinds.indexOf(a.kind) - kinds.indexOf(b.kind) || (keyOf(a) < keyOf(b) ? -1 : 1)
  )

const subjectOf = ({ kind, owner, name }: Fact): string => {
  if (kind === "storage") return `storage settings of ${owner}`
  return kind === "column" || kind === "constraint" || kind === "index" || kind === "trigger"
    ? `${kind} ${name} of ${owner}`
    : `${kind} ${name}`
}

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`
const pathOf = (schema: string, name: string): string => `${quoted(schema)}.${quoted(name)}`

const missing = (schema: string, fact: Fact): Finding => {
  const subject = subjectOf(fact)
  const common = { code: `${fact.kind}_missing`, subject, message: `The ${subject} is missing.` }
  switch (fact.kind) {
    case "storage":
      return {
        ...common,
        level: "note",
        remedy: "The default works, and is slower where rows change often. To set it again:",
        sql: fact.definition
      }
    case "table":
      return {
        ...common,
        level: "problem",
        remedy: "Its rows are gone with it: restore the database from a backup."
      }
    case "column":
      return {
        ...common,
        level: "problem",
        remedy: "Restore its values from a backup; the column itself is put back by:",
        sql: `ALTER TABLE ${pathOf(schema, fact.owner)} ADD COLUMN ${fact.definition}`
      }
    case "index":
      return {
        ...common,
        level: "problem",
        remedy:
          "Statements that need it are slow, or duplicates are not refused. Create it again without " +
          "stopping writers:",
        sql: fact.definition.replace(" INDEX ", " INDEX CONCURRENTLY ")
      }
    case "constraint":
      return {
        ...common,
        level: "problem",
        remedy:
          "The database does not enforce this rule. Add it again; the statement fails if a row " +
          "violates the rule:",
        sql: fact.definition
      }
    case "sequence":
    case "type":
      return {
        ...common,
        level: "problem",
        remedy: "Make it again as the migrations do.",
        sql: fact.definition
      }
    default:
      return { ...common, level: "problem", remedy: "Make it again:", sql: fact.definition }
  }
}

const changed = (schema: string, fact: Fact, live: Fact): Finding => {
  const subject = subjectOf(fact)
  const common = {
    code: `${fact.kind}_changed`,
    subject,
    message:
      `The ${subject} is not as the migrations make it.\n` +
      `expected: ${fact.definition}\nfound:    ${live.definition}`
  }
  switch (fact.kind) {
    case "storage":
      return {
        ...common,
        level: "note",
        remedy: "Keep it if you chose it. To set it back:",
        sql: fact.definition
      }
    case "column":
      return {
        ...common,
        level: "problem",
        remedy: "Bring its type, NOT NULL and default back with ALTER TABLE ... ALTER COLUMN."
      }
    case "constraint":
      // A constraint that differs only in NOT VALID does not need to be replaced.
      return live.definition === `${fact.definition} NOT VALID`
        ? {
            ...common,
            level: "problem",
            code: "constraint_not_valid",
            message: `The ${subject} was never checked against the existing rows.`,
            remedy: "Check them; this does not stop readers and writers:",
            sql: `ALTER TABLE ${pathOf(schema, fact.owner)} VALIDATE CONSTRAINT ${quoted(fact.name)}`
          }
        : {
            ...common,
            level: "problem",
            remedy: "Replace it; the statement fails if a row violates it:",
            sql: `ALTER TABLE ${pathOf(schema, fact.owner)} DROP CONSTRAINT ${quoted(fact.name)};\n${fact.definition}`
          }
    case "index":
      return live.definition === `${fact.definition} INVALID`
        ? {
            ...common,
            level: "problem",
            code: "index_invalid",
            message: `The ${subject} is invalid: building it failed half-way, and nothing uses it.`,
            remedy: "Build it again without stopping writers:",
            sql: `REINDEX INDEX CONCURRENTLY ${pathOf(schema, fact.name)}`
          }
        : {
            ...common,
            level: "problem",
            remedy: "Replace it without stopping writers, one statement after the other:",
            sql: `DROP INDEX CONCURRENTLY ${pathOf(schema, fact.name)};\n${fact.definition.replace(" INDEX ", " INDEX CONCURRENTLY ")}`
          }
    case "trigger":
      return live.definition === `${fact.definition} DISABLED`
        ? {
            ...common,
            level: "problem",
            code: "trigger_disabled",
            message: `The ${subject} is disabled: what it refuses is let through.`,
            remedy: "Enable it:",
            sql: `ALTER TABLE ${pathOf(schema, fact.owner)} ENABLE TRIGGER ${quoted(fact.name)}`
          }
        : {
            ...common,
            level: "problem",
            remedy: "Replace it:",
            sql: `DROP TRIGGER ${quoted(fact.name)} ON ${pathOf(schema, fact.owner)};\n${fact.definition}`
          }
    case "table":
      return {
        ...common,
        level: "problem",
        remedy:
          "Bring it back with ALTER TABLE: an unlogged table is empty after a crash, and row security hides rows from the engine."
      }
    case "view":
    case "function":
      return { ...common, level: "problem", remedy: "Replace it:", sql: fact.definition }
    default:
      return { ...common, level: "problem", remedy: "Bring it back as the migrations make it." }
  }
}

const unexpected = (schema: string, fact: Fact): Finding => {
  const subject = subjectOf(fact)
  const common = {
    code: `${fact.kind}_unexpected`,
    subject,
    message: `The ${subject} is none of ours.`
  }
  switch (fact.kind) {
    case "constraint":
    case "trigger":
      return {
        ...common,
        level: "warning",
        message: `${common.message} It can refuse or change what the engine writes.\nfound:    ${fact.definition}`,
        remedy: "Rules of your own belong to tables of your own, or to the engine's policies."
      }
    case "column":
      return {
        ...common,
        level:
          / NOT NULL/.test(fact.definition) && !/ (DEFAULT|GENERATED)/.test(fact.definition)
            ? "problem"
            : "warning",
        message: `${common.message} The engine never fills it, and a later migration may want its name.`,
        remedy: "Keep what is yours in a table of your own, under the same key."
      }
    case "index":
      return {
        ...common,
        level: fact.definition.startsWith("CREATE UNIQUE") ? "warning" : "note",
        message: `${common.message} Every write pays for it.\nfound:    ${fact.definition}`,
        remedy: "Keep it if a query of yours needs it; otherwise drop it:",
        sql: `DROP INDEX CONCURRENTLY ${pathOf(schema, fact.name)}`
      }
    default:
      return {
        ...common,
        level: "note",
        remedy:
          "It does no harm; a later migration may want its name. A schema of your own is safer."
      }
  }
}
