/**
 * Imports each package and prints, as JSON, the changes of this process that the imports caused.
 */
const observe = () => ({
  globals: Reflect.ownKeys(globalThis).map((name) => {
    const { value, get, set } = Object.getOwnPropertyDescriptor(globalThis, name)!
    return { name, value, get, set }
  }),
  signals: process.eventNames().map((name) => `${String(name)} ${process.listenerCount(name)}`),
  resources: process.getActiveResourcesInfo(),
  environment: JSON.stringify(process.env)
})

// Node itself adds two globals on the first access to its Fetch API.
new Request("http://localhost")
const before = observe()
const entries = process.argv.slice(2)
for (const entry of entries) await import(entry)
const after = observe()

const known = new Map(before.globals.map((global) => [global.name, global]))
const changed = after.globals.filter(({ name, value, get, set }) => {
  const was = known.get(name)
  if (was === undefined) return true
  return !Object.is(was.value, value) || was.get !== get || was.set !== set
})
process.stdout.write(
  JSON.stringify({
    imported: entries.length,
    globals: changed.map(({ name }) => String(name)),
    signals: after.signals.filter((signal) => !before.signals.includes(signal)),
    resources: after.resources.filter((resource) => !before.resources.includes(resource)),
    environment: after.environment === before.environment
  })
)

export {}
