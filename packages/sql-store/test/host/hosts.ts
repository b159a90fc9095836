/** Every supported kind of host, each with a transaction of its own making. */
import { execFile } from "node:child_process"
import { mkdir, rm, writeFile } from "node:fs/promises"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { PgClient } from "@effect/sql-pg"
import { PrismaPg } from "@prisma/adapter-pg"
import { sql as drizzleSql } from "drizzle-orm"
import { drizzle as drizzleOnPg } from "drizzle-orm/node-postgres"
import { drizzle as drizzleOnPostgresJs } from "drizzle-orm/postgres-js"
import { Effect, ManagedRuntime, Redacted } from "effect"
import { CamelCasePlugin, CompiledQuery, Kysely, PostgresDialect } from "kysely"
import pg from "pg"
import postgres from "postgres"
import { DataSource } from "typeorm"
import { Host } from "../../src/index.ts"

/** A transaction that the host has begun in its own way. */
interface HostWork {
  /** Inserts a row of the host. */
  readonly insert: (id: string) => Promise<unknown>
  /** Runs any statement of the host. */
  readonly query: (text: string) => Promise<unknown>
  /** Runs an effect of the engine inside the transaction. */
  readonly engine: <A, E>(effect: Effect.Effect<A, E>) => Promise<A>
}

export interface OpenHost {
  /** Commits when the work's promise resolves, and rolls back when it rejects. */
  readonly transaction: <A>(work: (tx: HostWork) => Promise<A>, begin?: string) => Promise<A>
  /** The host's pool, if the engine can run on one. */
  readonly pool: Host.HostPool | undefined
  /** Runs an effect of the engine as if there were a transaction, without one. */
  readonly mistaken: <A, E>(effect: Effect.Effect<A, E>) => Promise<A>
  readonly close: () => Promise<unknown>
}

const insertSql = (id: string) => `INSERT INTO public.host_order (id) VALUES ('${id}')`

const workOf = (
  client: Host.HostClient,
  query: (text: string) => PromiseLike<unknown>
): HostWork => ({
  insert: async (id) => query(insertSql(id)),
  query: async (text) => query(text),
  engine: (effect) => Effect.runPromise(Host.within(client)(effect))
})

const connections = 24

const pgPool = async (url: string): Promise<OpenHost> => {
  const pool = new pg.Pool({ connectionString: url, max: connections })
  return {
    transaction: async (work, begin = "BEGIN") => {
      const client = await pool.connect()
      try {
        await client.query(begin)
        const result = await work(workOf(client, (text) => client.query(text)))
        await client.query("COMMIT")
        return result
      } catch (error) {
        await client.query("ROLLBACK")
        throw error
      } finally {
        client.release()
      }
    },
    pool: Host.pg(pool),
    mistaken: (effect) => Effect.runPromise(Host.within(pool)(effect)),
    close: () => pool.end()
  }
}

/** A client for each transaction, with parsers that change as many types as they can. */
const pgClient = async (url: string): Promise<OpenHost> => {
  const types = {
    getTypeParser: (oid: number, format?: "text" | "binary") => {
      const bent: Record<number, (text: string) => unknown> = {
        20: (text) => Number.parseInt(text, 10),
        1184: (text) => ({ bent: text }),
        114: () => "bent",
        3802: () => "bent",
        2950: (text) => text.toUpperCase()
      }
      return bent[oid] ?? pg.types.getTypeParser(oid, format as "text")
    }
  }
  const connect = async () => {
    const client = new pg.Client({ connectionString: url, types: types as never })
    await client.connect()
    return client
  }
  const idle = await connect()
  return {
    transaction: async (work, begin = "BEGIN") => {
      const client = await connect()
      try {
        await client.query(begin)
        const result = await work(workOf(client, (text) => client.query(text)))
        await client.query("COMMIT")
        return result
      } catch (error) {
        await client.query("ROLLBACK")
        throw error
      } finally {
        await client.end()
      }
    },
    pool: undefined,
    mistaken: (effect) => Effect.runPromise(Host.within(idle)(effect)),
    close: () => idle.end()
  }
}

/** What postgres.js and its kin are asked to begin a transaction with. */
const optionsOf = (begin: string) => begin.replace(/^BEGIN ?/, "")

const postgresJs =
  (options: postgres.Options<Record<string, never>>) =>
  async (url: string): Promise<OpenHost> => {
    const sql = postgres(url, { max: connections, onnotice: () => {}, ...options })
    return {
      transaction: (work, begin = "BEGIN") =>
        sql.begin(optionsOf(begin), (tx) =>
          work(workOf(Host.postgresJs(tx), (text) => tx.unsafe(text)))
        ) as Promise<never>,
      pool: Host.postgresJs(sql),
      mistaken: (effect) => Effect.runPromise(Host.within(Host.postgresJs(sql))(effect)),
      close: () => sql.end()
    }
  }

const setTransaction = (begin: string) => begin.replace(/^BEGIN ?/, "SET TRANSACTION ")

const drizzlePg = async (url: string): Promise<OpenHost> => {
  const pool = new pg.Pool({ connectionString: url, max: connections })
  const db = drizzleOnPg({ client: pool })
  return {
    transaction: (work, begin = "BEGIN") =>
      db.transaction(async (tx) => {
        if (begin !== "BEGIN") await tx.execute(setTransaction(begin))
        return work(workOf(Host.drizzle(tx, drizzleSql), (text) => tx.execute(text)))
      }),
    pool: Host.drizzle(db, drizzleSql),
    mistaken: (effect) => Effect.runPromise(Host.within(Host.drizzle(db, drizzleSql))(effect)),
    close: () => pool.end()
  }
}

const drizzlePostgresJs = async (url: string): Promise<OpenHost> => {
  const client = postgres(url, { max: connections, onnotice: () => {} })
  const db = drizzleOnPostgresJs({ client })
  return {
    transaction: (work, begin = "BEGIN") =>
      db.transaction(async (tx) => {
        if (begin !== "BEGIN") await tx.execute(setTransaction(begin))
        return work(workOf(Host.drizzle(tx, drizzleSql), (text) => tx.execute(text)))
      }),
    pool: Host.drizzle(db, drizzleSql),
    mistaken: (effect) => Effect.runPromise(Host.within(Host.drizzle(db, drizzleSql))(effect)),
    close: () => client.end()
  }
}

const kysely = async (url: string): Promise<OpenHost> => {
  const pool = new pg.Pool({ connectionString: url, max: connections })
  const db = new Kysely<unknown>({
    dialect: new PostgresDialect({ pool }),
    plugins: [new CamelCasePlugin()]
  })
  return {
    transaction: (work, begin = "BEGIN") =>
      db.transaction().execute(async (trx) => {
        const query = (text: string) => trx.executeQuery(CompiledQuery.raw(text))
        if (begin !== "BEGIN") await query(setTransaction(begin))
        return work(workOf(Host.kysely(trx, CompiledQuery), query))
      }),
    pool: Host.kysely(db, CompiledQuery),
    mistaken: (effect) => Effect.runPromise(Host.within(Host.kysely(db, CompiledQuery))(effect)),
    close: () => db.destroy()
  }
}

const typeOrm = async (url: string): Promise<OpenHost> => {
  const source = new DataSource({ type: "postgres", url, extra: { max: connections } })
  await source.initialize()
  return {
    transaction: (work, begin = "BEGIN") =>
      source.transaction(async (manager) => {
        if (begin !== "BEGIN") await manager.query(setTransaction(begin))
        // An EntityManager is given as it is.
        return work(workOf(manager, (text) => manager.query(text)))
      }),
    pool: Host.typeOrm(source),
    mistaken: (effect) => Effect.runPromise(Host.within(source)(effect)),
    close: () => source.destroy()
  }
}

interface PrismaClient extends Host.Prisma {
  $transaction<A>(
    work: (tx: Host.Prisma) => Promise<A>,
    options?: { readonly maxWait: number; readonly timeout: number }
  ): Promise<A>
  $disconnect(): Promise<void>
}

const schemaPrisma = `
generator client {
  provider = "prisma-client"
  output   = "./client"
}
datasource db {
  provider = "postgresql"
}
model HostOrder {
  id String @id
  @@map("host_order")
}`

/** Prisma makes its client from a schema: here, into a directory that git ignores. */
const prisma = async (url: string): Promise<OpenHost> => {
  const root = fileURLToPath(new URL("../../", import.meta.url))
  const directory = `${root}/.boxoffice/prisma-${process.pid}`
  await mkdir(directory, { recursive: true })
  await writeFile(`${directory}/schema.prisma`, schemaPrisma)
  await promisify(execFile)(
    "node_modules/.bin/prisma",
    ["generate", `--schema=${directory}/schema.prisma`],
    {
      cwd: root,
      // The generator needs no engine; with one named, the command downloads none.
      env: {
        ...process.env,
        PRISMA_SCHEMA_ENGINE_BINARY: process.execPath,
        CHECKPOINT_DISABLE: "1"
      }
    }
  )
  const { PrismaClient } = await import(`${directory}/client/client.ts`)
  const client: PrismaClient = new PrismaClient({
    adapter: new PrismaPg({ connectionString: url, max: connections })
  })
  return {
    transaction: (work, begin = "BEGIN") =>
      client.$transaction(
        async (tx) => {
          if (begin !== "BEGIN") await tx.$queryRawUnsafe(setTransaction(begin))
          return work(workOf(Host.prisma(tx), (text) => tx.$queryRawUnsafe(text)))
        },
        { maxWait: 30_000, timeout: 30_000 }
      ),
    pool: Host.prisma(client),
    mistaken: (effect) => Effect.runPromise(Host.within(Host.prisma(client))(effect)),
    close: async () => {
      await client.$disconnect()
      await rm(directory, { recursive: true, force: true })
    }
  }
}

const effect = async (url: string): Promise<OpenHost> => {
  const runtime = ManagedRuntime.make(
    PgClient.layer({ url: Redacted.make(url), maxConnections: connections })
  )
  const sql = await runtime.runPromise(PgClient.PgClient)
  return {
    transaction: (work, begin = "BEGIN") =>
      runtime.runPromise(
        sql.withTransaction(
          Effect.contextWith((context) => {
            const run = Effect.runPromiseWith(context)
            const query = (text: string) => run(sql.unsafe(text))
            return Effect.tryPromise({
              try: async () => {
                if (begin !== "BEGIN") await query(setTransaction(begin))
                return work({
                  insert: (id) => query(insertSql(id)),
                  query,
                  engine: (effect) => run(Host.within(sql)(effect))
                })
              },
              catch: (error) => error
            })
          })
        )
      ),
    pool: undefined,
    mistaken: (effect) => runtime.runPromise(Host.within(sql)(effect)),
    close: () => runtime.dispose()
  }
}

export const hosts: Readonly<Record<string, (url: string) => Promise<OpenHost>>> = {
  "pg Pool": pgPool,
  "pg Client, with other parsers": pgClient,
  "postgres.js": postgresJs({}),
  "postgres.js, unprepared, names transformed": postgresJs({
    prepare: false,
    transform: postgres.camel,
    types: { bigint: postgres.BigInt }
  } as never),
  "Drizzle on pg": drizzlePg,
  "Drizzle on postgres.js": drizzlePostgresJs,
  Kysely: kysely,
  TypeORM: typeOrm,
  Prisma: prisma,
  "Effect SqlClient": effect
}
