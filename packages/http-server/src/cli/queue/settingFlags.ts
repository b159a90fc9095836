/** A flag for each setting of a queue. */
import { QueueSettings } from "@boxoffice/core/schema"
import { Config, Option } from "effect"
import { Flag } from "effect/cli"

type Name = keyof QueueSettings

/** The flag of each setting, and its meaning. */
export const settingFlags: Record<Name, readonly [flag: string, means: string]> = {
  maxActive: ["max-active", "The maximum number of admitted users at a time"],
  admitPerMinute: ["admit-per-minute", "The maximum number of admissions within any 60 seconds"],
  claimSeconds: ["claim-seconds", "The claim window: how long an admitted user has to show up"],
  sessionSeconds: ["session-seconds", "How long an admitted user may be idle"],
  prioritySharePercent: [
    "priority-share-percent",
    "The share of the priority lane in admissions while both lanes have waiting users: 1 to 100"
  ],
  absenceSeconds: [
    "absence-seconds",
    "How long a waiting user may be absent before they lose their token; 0 is unlimited"
  ]
}

const names = Object.keys(settingFlags) as ReadonlyArray<Name>

const forEachSetting = <A>(make: (name: Name) => A) =>
  Object.fromEntries(names.map((name) => [name, make(name)])) as Record<Name, A>

const flag = (name: Name) => {
  const [flag, means] = settingFlags[name]
  return Flag.Int(flag).pipe(Flag.withDescription(means))
}

/** Flags for an existing queue: omitted settings stay as they are. */
export const settings = forEachSetting((name) =>
  flag(name).pipe(Flag.withSchema(QueueSettings.fields[name]), Flag.optional)
)

const variableOf = (name: Name): string =>
  `BOXOFFICE_QUEUE_${settingFlags[name][0].toUpperCase().replaceAll("-", "_")}`

/** Flags for a new queue: omitted settings come from the environment. */
export const newSettings = forEachSetting((name) =>
  flag(name).pipe(
    Flag.withFallbackConfig(Config.Int(variableOf(name))),
    Flag.withSchema(QueueSettings.fields[name]),
    Flag.optional
  )
)

/** The settings that the flags give. */
export const given = (flags: Record<Name, Option.Option<number>>): Partial<QueueSettings> =>
  Object.fromEntries(
    names.flatMap((name) =>
      Option.match(flags[name], {
        onNone: () => [],
        onSome: (value) => [[name, value]]
      })
    )
  )
