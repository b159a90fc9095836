/** Follows an event stream of a server, as a browser does, but tells why the stream ended. */
import { lostBecause, type Reply } from "./node.ts"

/** A server sends a heartbeat each 15 s: a stream that is silent for so long has no one behind it. */
const silentMs = 45_000

/** The client has heard what it wanted. */
const enough: Reply = { body: {} }

export const followEvents = async (
  url: string,
  headers: Readonly<Record<string, string>>,
  hear: (body: Reply["body"]) => void,
  stop: AbortSignal
): Promise<Reply> => {
  const silence = new AbortController()
  const giveUp = () => silence.abort(new DOMException("the stream is silent", "TimeoutError"))
  let timer = setTimeout(giveUp, silentMs)
  try {
    const signal = AbortSignal.any([stop, silence.signal])
    const answer = await fetch(url, { headers, signal })
    if (!answer.ok) {
      const body = await answer.json()
      return { code: body.code ?? `status_${answer.status}`, body }
    }
    let rest = ""
    let isOver = false
    for await (const text of answer.body!.pipeThrough(new TextDecoderStream())) {
      clearTimeout(timer)
      timer = setTimeout(giveUp, silentMs)
      const events = (rest + text).split("\n\n")
      rest = events.pop()!
      for (const event of events) {
        const data = event.split("\n").find((line) => line.startsWith("data: "))
        if (data === undefined) continue
        const body = JSON.parse(data.slice("data: ".length))
        isOver = body.state !== "waiting" && body.state !== "admitted"
        hear(body)
      }
    }
    // A stream ends by itself once its token has ended. Otherwise its server had to end it.
    return isOver ? enough : { code: "stream_ended", isLost: true }
  } catch (error) {
    return stop.aborted ? enough : { code: lostBecause(error), isLost: true }
  } finally {
    clearTimeout(timer)
  }
}
