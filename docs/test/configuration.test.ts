import { newWebhookSecret } from "@boxoffice/core"
import { ConfigProvider, Effect } from "effect"
import { expect, test } from "vitest"
import { serverConfig, variables } from "../../packages/http-server/src/cli/config.ts"
import { codeBlocks, readPage } from "./markdown.ts"

const rows = Array.from(
  readPage("docs/configuration.md").matchAll(/^\| `([A-Z_]+)` \| (?:`(.*?)` )?\|/gm),
  ([, name, value]) => [name!, value] as const
)
const defaults = new Map(rows.filter(([, value]) => value !== undefined))

const configOf = (environment: Readonly<Record<string, string>>) =>
  serverConfig({ demo: false }).pipe(
    Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromUnknown(environment)),
    Effect.runPromise
  )
const required = {
  DATABASE_URL: "postgres://app@127.0.0.1/app",
  BOXOFFICE_CHARGES: "user",
  BOXOFFICE_SIGNING_KEYS: "k1:a secret of this test and of nothing else"
}

test("every variable has a row, and no other", () => {
  const names = variables.flatMap(([name]) => name.split(", "))
  expect(rows.map(([name]) => name).sort()).toEqual(names.sort())
})

test("the defaults are those of the server", async () => {
  const stated = Object.fromEntries(defaults) as Record<string, string>
  const { databaseUrl: _, signingKeys: __, ...config } = await configOf(required)
  const {
    databaseUrl: ___,
    signingKeys: ____,
    ...said
  } = await configOf({
    ...required,
    ...stated
  })
  // Left out, these are for others to choose: the store, and the routes.
  expect(said).toEqual({
    ...config,
    schema: stated.BOXOFFICE_SCHEMA,
    connections: Number(stated.BOXOFFICE_CONNECTIONS),
    documentation: stated.BOXOFFICE_ERROR_DOCS
  })
})

test("--help names every default, and no other", () => {
  for (const [name, value] of defaults) {
    // The page and the help have these two in other words.
    if (name === "BOXOFFICE_GATE" || name === "BOXOFFICE_WALLET_CEILING") continue
    const [, means] = variables.find(([names]) => names.split(", ").includes(name))!
    expect({ name, help: means }).toEqual({
      name,
      help: expect.stringMatching(new RegExp(`default .*(?<![\\w.])${value}(?!\\w)`))
    })
  }
  for (const [name, means] of variables) {
    const [, value] = means.match(/default (\d+)(?:,|$)/) ?? []
    // How long a connection may take is the URL's to say first.
    if (value === undefined || name.includes(",") || name === "BOXOFFICE_CONNECT_WITHIN_MS")
      continue
    expect({ name, value }).toEqual({ name, value: defaults.get(name) })
  }
})

test("the webhooks are such as the server reads", async () => {
  const page = codeBlocks("docs/configuration.md")
  const { text } = page.find(({ info }) => info === "webhooks")!
  const secret = newWebhookSecret()
  const { webhooks } = await configOf({
    ...required,
    BOXOFFICE_WEBHOOKS: text,
    CRM_SECRET: secret
  })
  const { secretVariables: _, ...written } = JSON.parse(text)[0]
  expect(webhooks).toEqual([{ ...written, secrets: [secret] }])
})

test("without what is required it does not start", async () => {
  await expect(configOf({})).rejects.toThrow(/DATABASE_URL[\s\S]*BOXOFFICE_SIGNING_KEYS/)
})
