/** A flag for each setting of a queue. */
import { QueueSettings } from "@boxoffice/core/schema"
import { Config, Option } from "effect"
import { Flag } from "effect/cli"

type Name = keyof QueueSettings

/** What each is called on the command line, and means. */
export const settingFlags: Record<Name, readonly [flag: string, means: string]> = {
  maxActive: ["max-active", "How many may be inside at once"],
  admitPerMinute: ["admit-per-minute", "How many may be let in within any 60 seconds"],
  claimSeconds: ["claim-seconds", "How long one who was let in has to show up"],
  sessionSeconds: ["session-seconds", "How long one who is inside may be idle"],
  prioritySharePercent: [
    "priority-share-percent",
    "The share of the priority lane in those let in, while both lanes wait: 1 to 100"
  ],
  absenceSeconds: [
    "absence-seconds",
    "How long one who waits may be away before the place is lost; 0 is for ever"
  ]
}

const names = Object.keys(settingFlags) as ReadonlyArray<Name>

const forEachSetting = <A>(make: (name: Name) => A) =>
  Object.fromEntries(names.map((name) => [name, make(name)])) as Record<Name, A>

const flag = (name: Name) => {
  const [flag, means] = settingFlags[name]
  return Flag.Int(flag).pipe(Flag.withDescription(means))
}

/** For a queue that there is: those that are left out stay as they are. */
export const settings = forEachSetting((name) =>
  flag(name).pipe(Flag.withSchema(QueueSettings.fields[name]), Flag.optional)
)

const variableOf = (name: Name): string =>
  `BOXOFFICE_QUEUE_${settingFlags[name][0].toUpperCase().replaceAll("-", "_")}`

/** For a new queue: those that are left out are what the environment has for a new queue. */
export const newSettings = forEachSetting((name) =>
  flag(name).pipe(
    Flag.withFallbackConfig(Config.Int(variableOf(name))),
    Flag.withSchema(QueueSettings.fields[name]),
    Flag.optional
  )
)

/** The settings that were said. */
export const given = (flags: Record<Name, Option.Option<number>>): Partial<QueueSettings> =>
  Object.fromEntries(
    names.flatMap((name) =>
      Option.match(flags[name], {
        onNone: () => [],
        onSome: (value) => [[name, value]]
      })
    )
  )
