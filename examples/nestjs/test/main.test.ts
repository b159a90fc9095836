import { testMount } from "../../../test-support/testMount.ts"

const transpiled = ["--import", "tsx", "--conditions=boxoffice-source"]
testMount(new URL("..", import.meta.url), ...transpiled, "src/main.ts")
