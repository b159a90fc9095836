/**
 * An instant in Postgres' JSON, whatever the session's time zone: `2030-01-01T09:00:00.25+09:00`.
 */
const iso =
  /^(\d{4,})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d+))?([+-])(\d\d)(?::(\d\d))?(?::(\d\d))?( BC)?$/

/** In milliseconds since 1970, without finer digits. NaN if the text is no finite instant. */
export const instantOf = (text: string): number => {
  const parts = iso.exec(text)
  // `infinity` is a value of Postgres, too.
  if (parts === null) return Number.NaN
  const [, year, month, day, hour, minute, second, fraction = "", sign, ...offset] = parts
  const at = new Date(0)
  at.setUTCFullYear(parts[12] ? 1 - Number(year) : Number(year), Number(month) - 1, Number(day))
  at.setUTCHours(
    Number(hour),
    Number(minute),
    Number(second),
    Number(fraction.padEnd(3, "0").slice(0, 3))
  )
  const [hours, minutes, seconds] = offset.slice(0, 3).map((part) => Number(part ?? 0))
  const east = (hours! * 3_600 + minutes! * 60 + seconds!) * 1_000
  return at.getTime() - (sign === "-" ? -east : east)
}

/** An instant as text that Postgres reads, whatever the session's settings. */
export const instantText = (at: number | Date): string => {
  const text = new Date(at).toISOString()
  if (text.startsWith("+")) return text.replace(/^\+0*/, "")
  if (!text.startsWith("-")) return text
  const year = 1 + Number(text.slice(1, 7))
  return `${String(year).padStart(4, "0")}${text.slice(7)} BC`
}
