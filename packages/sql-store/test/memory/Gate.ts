/**
 * Holds the messages of a node at a chosen point, so that another node can go first. It holds at most
 * one message, for as long as the test wants.
 */

/** Before the saves and the COMMIT of a batch reach the server, or before their answer reaches the node. */
export type Point = "saves" | "answer"

/** What became of a message. */
export type Fate = "delivered" | "lost"

export class Gate {
  private stopsAt: Point | undefined
  private held: { readonly point: Point; readonly end: (fate: Fate) => void } | undefined
  private up: Promise<void> | undefined
  private bringUp = () => {}

  /** Stops the next batch of the node at a point. */
  arm(point: Point): void {
    this.stopsAt = point
  }

  /** Whether the next batch is to stop. */
  get isArmed(): boolean {
    return this.stopsAt !== undefined
  }

  /** Where it holds a message. */
  get heldAt(): Point | undefined {
    return this.held?.point
  }

  /** Whether the node cannot reach the server. */
  get isDown(): boolean {
    return this.up !== undefined
  }

  /** Called for a message at a point. */
  async pass(point: Point): Promise<Fate> {
    if (this.stopsAt !== point) return "delivered"
    this.stopsAt = undefined
    return new Promise((resolve) => {
      this.held = {
        point,
        end: (fate) => {
          this.held = undefined
          resolve(fate)
        }
      }
    })
  }

  /** Called before each message to the server: it waits while the node cannot reach it. */
  async leave(): Promise<void> {
    while (this.up !== undefined) await this.up
  }

  /** Lets the message that it holds go on, and the node reach the server again. */
  goOn(): void {
    this.stopsAt = undefined
    this.held?.end("delivered")
    this.up = undefined
    this.bringUp()
  }

  /** Loses the connection of the message that it holds. The node reaches the server once it goes on. */
  cut(): void {
    this.up = new Promise((resolve) => {
      this.bringUp = resolve
    })
    this.held?.end("lost")
  }
}
