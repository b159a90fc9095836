import { testMount } from "../../../test-support/testMount.ts"

testMount(new URL("..", import.meta.url), "--conditions=boxoffice-source", "src/main.ts")
