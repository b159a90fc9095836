/** Shows that a long command lives: a line that a terminal rewrites, and a log gets seldom. */
export interface Progress {
  /** Prints a line that stays. */
  readonly say: (line: string) => void
  readonly stop: () => void
}

export const startProgress = (text: () => string): Progress => {
  const { isTTY } = process.stderr
  const clear = () => void (isTTY && process.stderr.write("\r\x1b[2K"))
  const show = () => {
    clear()
    process.stderr.write(isTTY ? text() : `${text()}\n`)
  }
  const timer = setInterval(show, isTTY ? 2_000 : 10_000)
  return {
    say: (line) => {
      clear()
      console.log(line)
    },
    stop: () => {
      clearInterval(timer)
      clear()
    }
  }
}
