import { defineConfig } from "tsup"

export default defineConfig({
  entry: ["src/index.ts", "src/schema.ts", "src/store.ts", "src/testing.ts"],
  format: "esm",
  target: "node22",
  platform: "node",
  sourcemap: true,
  clean: true,
  // tsup cannot emit types with TypeScript 7: `tsc -b` does, after it.
  dts: false
})
