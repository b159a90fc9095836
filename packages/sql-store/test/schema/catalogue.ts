/** What there is in the schema, by the catalogue of Postgres, and what the role may do with it. */
import type { Session } from "./session.ts"

interface Column {
  readonly name: string
  /** As Postgres writes it: `bigint`, `timestamp with time zone`. */
  readonly type: string
  readonly required: boolean
  /** The columns that it is computed from, where it is. */
  readonly computedFrom: ReadonlyArray<string>
}

export interface Rule {
  readonly name: string
  readonly columns: ReadonlyArray<string>
  /** Of a CHECK its expression; of a unique index its predicate, `true` for all rows. */
  readonly expression: string
}

export interface ForeignKey extends Rule {
  readonly parent: string
  readonly parentColumns: ReadonlyArray<string>
}

export interface Table {
  readonly name: string
  /** Of SELECT, INSERT, UPDATE and DELETE those that the role has. */
  readonly rights: ReadonlyArray<string>
  readonly columns: ReadonlyArray<Column>
  readonly checks: ReadonlyArray<Rule>
  readonly uniques: ReadonlyArray<Rule>
  readonly foreignKeys: ReadonlyArray<ForeignKey>
  readonly triggers: ReadonlyArray<string>
}

/** Names of columns in the order of a key. */
const named = (keys: string, table: string) => `ARRAY(
  SELECT a.attname::text FROM unnest(${keys}) WITH ORDINALITY AS key (attnum, place)
  JOIN pg_attribute a ON a.attrelid = ${table} AND a.attnum = key.attnum ORDER BY place)`

const tables = `
  SELECT c.relname::text AS name,
    ARRAY(SELECT privilege FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) privilege
      WHERE has_table_privilege($1::text, c.oid, privilege)) AS rights,
    (SELECT json_agg(json_build_object('name', a.attname, 'type', format_type(a.atttypid, NULL),
        'required', a.attnotnull, 'computedFrom', ARRAY(
          SELECT source.attname FROM pg_depend d
          JOIN pg_attrdef f ON f.oid = d.objid AND d.classid = 'pg_attrdef'::regclass
          JOIN pg_attribute source ON source.attrelid = c.oid AND source.attnum = d.refobjsubid
          WHERE a.attgenerated <> '' AND f.adrelid = c.oid AND f.adnum = a.attnum
            AND d.refobjid = c.oid AND d.refobjsubid <> a.attnum))
        ORDER BY a.attnum)
      FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    ) AS columns,
    (SELECT coalesce(json_agg(json_build_object('name', conname,
        'columns', ${named("conkey", "c.oid")},
        'expression', pg_get_expr(conbin, conrelid)) ORDER BY conname), '[]')
      FROM pg_constraint WHERE conrelid = c.oid AND contype = 'c') AS checks,
    (SELECT coalesce(json_agg(json_build_object('name', i.relname,
        'columns', ${named("x.indkey", "c.oid")},
        'expression', coalesce(pg_get_expr(x.indpred, c.oid), 'true')) ORDER BY i.relname), '[]')
      FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid
      WHERE x.indrelid = c.oid AND x.indisunique) AS uniques,
    (SELECT coalesce(json_agg(json_build_object('name', conname,
        'columns', ${named("conkey", "c.oid")}, 'expression', '', 'parent', p.relname,
        'parentColumns', ${named("confkey", "p.oid")}) ORDER BY conname), '[]')
      FROM pg_constraint k JOIN pg_class p ON p.oid = k.confrelid
      WHERE conrelid = c.oid AND contype = 'f') AS "foreignKeys",
    ARRAY(SELECT tgname::text FROM pg_trigger WHERE tgrelid = c.oid AND NOT tgisinternal
      ORDER BY 1) AS triggers
  FROM pg_class c
  WHERE c.relnamespace = 'boxoffice'::regnamespace AND c.relkind IN ('r', 'p')
  ORDER BY c.relname COLLATE "C"`

export const readTables = (admin: Session, role: string): Promise<ReadonlyArray<Table>> =>
  admin.query<Table>(tables, [role])

/** What an INSERT or UPDATE may write. */
export const writable = (table: Table): ReadonlyArray<string> =>
  table.columns.filter(({ computedFrom }) => computedFrom.length === 0).map(({ name }) => name)

/** The columns of a rule that a statement can write: for a computed one those that it is of. */
export const writableOf = (table: Table, rule: Rule): ReadonlyArray<string> => [
  ...new Set(
    rule.columns.flatMap((name) => {
      const column = table.columns.find((column) => column.name === name)!
      return column.computedFrom.length > 0 ? column.computedFrom : [name]
    })
  )
]
