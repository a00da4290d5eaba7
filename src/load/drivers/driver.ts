/** Sends the invocations of a load. */
export interface Driver {
  /** Resolves once nothing more will be sent and everything sent has its row. */
  run(): Promise<void>;
  /** Sends nothing more, and waits for what is in flight. */
  stop(): void;
  /** Waits for nothing any longer. */
  giveUp(why: string): void;
  readonly inFlight: number;
}
