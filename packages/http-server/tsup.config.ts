import { defineConfig } from "tsup"

export default defineConfig({
  entry: ["src/index.ts", "src/api.ts", "src/client.ts", "src/webhooks.ts", "src/bin.ts"],
  format: "esm",
  target: "node22",
  platform: "node",
  sourcemap: true,
  clean: true,
  // tsup cannot emit types with TypeScript 7: `tsc -b` does, after it.
  dts: false
})
