/** What the nodes of a run have in common. */
export const signingKey = "a secret of the histories of thirty-two bytes and more"
export const adminToken = "the operators of the histories"
export const webhookSecret = `whsec_${Buffer.from("the webhooks of the histories").toString("base64")}`

export const currency = "KRW"
export const gated = ["seats", "hold", "pay"] as const
export const holdSeconds = 12

/** Shorter than by default, so that a run of minutes has room for many faults. */
export const waits = {
  lockTimeoutMs: 1_000,
  statementTimeoutMs: 5_000,
  idleInTransactionMs: 5_000,
  answerWithinMs: 6_000,
  connectWithinMs: 2_000,
  closeWithinMs: 3_000
}

/** The queue in front of the show, and one that operators stop and start. */
export const queues = {
  main: {
    maxActive: 10,
    admitPerMinute: 600,
    claimSeconds: 10,
    sessionSeconds: 60,
    absenceSeconds: 300
  },
  side: {
    maxActive: 2,
    admitPerMinute: 60,
    claimSeconds: 10,
    sessionSeconds: 30,
    absenceSeconds: 300
  }
} as const

/** Of a queue with a draw: small, so that its order shows in many admissions. */
export const drawnQueue = {
  maxActive: 3,
  admitPerMinute: 600,
  claimSeconds: 10,
  sessionSeconds: 30,
  absenceSeconds: 300
} as const

/** Opens the priority lane of the main queue. */
export const priorityCode = "open-sesame"

export const performances = { hot: "gala-hot", proof: "gala-proof" } as const
export const hotSeats = 24
export const price = 100
