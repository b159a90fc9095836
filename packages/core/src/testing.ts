/** For tests: the engine without a database. @module */
export {
  type ConformanceHarness,
  type ConformanceTest,
  conformanceTests
} from "./testing/conformance.ts"
export { layerMemory } from "./testing/MemoryStore.ts"
