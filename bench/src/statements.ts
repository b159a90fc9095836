/**
 * Shows where Postgres spends its time: the time of each statement of a row, by
 * `pg_stat_statements`.
 */
import type { World } from "./world.ts"

/** Server settings that count statements, including those of triggers and foreign keys. */
export const countingStatements = {
  shared_preload_libraries: "pg_stat_statements",
  "pg_stat_statements.track": "all",
  "pg_stat_statements.track_planning": "on"
}

export const startCounting = async (world: World): Promise<void> => {
  await world.query("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
  await world.query("SELECT pg_stat_statements_reset()")
}

/** The most expensive statements since counting began, in microseconds per call, as a table. */
export const countedStatements = async (world: World, answers: number): Promise<string> => {
  const rows = await world.query(`
    SELECT round((1e3 * (total_exec_time + total_plan_time) / ${answers})::numeric, 2)::text AS micros,
      round((1e3 * total_exec_time / calls)::numeric)::text AS each, calls::text,
      left(regexp_replace(query, '\\s+', ' ', 'g'), 110) AS statement
    FROM pg_stat_statements WHERE query NOT LIKE '%pg_stat_statements%'
    ORDER BY total_exec_time + total_plan_time DESC LIMIT 20`)
  return [
    "| µs an answer | µs a call | calls | statement |",
    "|---:|---:|---:|---|",
    ...rows.map((row) => `| ${row.micros} | ${row.each} | ${row.calls} | \`${row.statement}\` |`)
  ].join("\n")
}
