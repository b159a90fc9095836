/** For tests: the engine without a database. @module */
export { layerMemory } from "./testing/MemoryStore.ts"
