/** Writes `reference/`: a page for each entry of the packages, from the docstrings of its source. */
import { globSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import {
  Application,
  Converter,
  type DeclarationReflection,
  type ProjectReflection,
  ReflectionKind,
  UnknownType
} from "typedoc"

const root = join(import.meta.dirname, "../..")

interface Manifest {
  readonly name: string
  readonly exports: Readonly<
    Record<string, string | { readonly "boxoffice-source": string } | null>
  >
}

/** The source of each entry, by the name that users import. */
const entries = new Map(
  globSync("packages/*/package.json", { cwd: root }).flatMap((file) => {
    const { name, exports }: Manifest = JSON.parse(readFileSync(join(root, file), "utf8"))
    return Object.entries(exports).flatMap(([entry, target]): ReadonlyArray<[string, string]> => {
      if (target === null || typeof target === "string") return []
      const source = join(root, dirname(file), target["boxoffice-source"])
      return [[source, join(name, entry)]]
    })
  })
)

/** Takes from classes what they have of Effect: it is the same for all, and nobody calls it. */
function withoutInherited(project: ProjectReflection): void {
  for (const reflection of project.getReflectionsByKind(ReflectionKind.Class)) {
    const type = reflection as Partial<DeclarationReflection>
    delete type.extendedTypes
    for (const child of [...(type.children ?? [])]) {
      const isMessage = child.kindOf(ReflectionKind.Accessor) && child.name === "message"
      if (isMessage || child.kindOf(ReflectionKind.Constructor)) project.removeReflection(child)
    }
  }
}

/** Cuts types that were inferred, and are too long to be read. */
function withoutLongTypes(project: ProjectReflection): void {
  for (const reflection of Object.values(project.reflections)) {
    const typed = reflection as Partial<DeclarationReflection>
    delete typed.inheritedFrom
    delete typed.overwrites
    // What a schema makes a field with is no default.
    if (reflection.kindOf(ReflectionKind.Property)) delete typed.defaultValue
    if ((typed.type?.toString().length ?? 0) > 1_000) {
      typed.type = new UnknownType("inferred, see the source")
    }
  }
}

const app = await Application.bootstrapWithPlugins({
  name: "Packages",
  tsconfig: join(import.meta.dirname, "reference.tsconfig.json"),
  entryPoints: Array.from(entries.keys()),
  plugin: ["typedoc-plugin-markdown"],
  // `pnpm check` finds what is wrong with the types, and with a newer compiler.
  skipErrorChecking: true,
  out: join(root, "docs/reference"),
  readme: "none",
  disableSources: true,
  excludePrivate: true,
  excludeInternal: true,
  excludeExternals: true,
  logLevel: "Warn"
})
// Options of the plugin, which the types of TypeDoc do not know.
const options: Record<string, unknown> = {
  router: "module",
  hidePageHeader: true,
  hideBreadcrumbs: true,
  entryFileName: "index",
  useCodeBlocks: true,
  expandParameters: true,
  parametersFormat: "table",
  classPropertiesFormat: "table",
  interfacePropertiesFormat: "table",
  typeAliasPropertiesFormat: "table"
}
for (const [name, value] of Object.entries(options))
  app.options.setValue(name as "name", value as never)

app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => withoutInherited(project))
const project = await app.convert()
if (project === undefined) throw new Error("The sources cannot be read")
for (const module of project.children ?? []) {
  // TypeDoc names it after its source.
  const source = [`${module.name}.ts`, `${module.name}/index.ts`]
    .map((file) => join(root, "packages", file))
    .find((file) => entries.has(file))
  module.name = entries.get(source ?? "") ?? module.name
}
withoutLongTypes(project)
await app.generateOutputs(project)
