import { expect, test } from "vitest"
import { readCodeFile } from "../src/cli/queue/codeFile.ts"

const codesIn = (text: string) => readCodeFile(text).lines.map(({ code }) => code)

test.each([
  ["plain lines, blank ones between", "welcome-1\n\n  welcome-2 \n", ["welcome-1", "welcome-2"]],
  ["a column of CSV in quotes", '"welcome-1"\r\n"welcome-2"\r\n', ["welcome-1", "welcome-2"]],
  ["what a spreadsheet puts in front", '\uFEFF"welcome-1"\n', ["welcome-1"]],
  ["line ends of old machines", "welcome-1\rwelcome-2", ["welcome-1", "welcome-2"]],
  ["quotes and commas inside of quotes", '"a,b;c""quoted"', ['a,b;c"quoted']]
])("%s", (_, text, codes) => {
  expect(codesIn(text)).toEqual(codes)
  expect(readCodeFile(text).unclear).toEqual([])
})

test("a line says which one it is, though lines before it are empty", () => {
  expect(readCodeFile("\n\nwelcome-1").lines).toEqual([{ number: 3, code: "welcome-1" }])
})

test.each(["welcome-1,Ada", "welcome-1;Ada", '"welcome-1","Ada"', '"welcome-1', 'welcome-1"'])(
  "%s is no single code: a guess would be a secret that opens nothing",
  (line) => {
    expect(readCodeFile(`first-one\n${line}\n`)).toEqual({
      lines: [{ number: 1, code: "first-one" }],
      unclear: [2]
    })
  }
)
