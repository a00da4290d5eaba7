/** One address of one bridge, as the worker hands them out to an engine that makes networks of its own. */
export interface BridgeAddress {
  /** Which bridge; from 0. */
  readonly bridge: number;
  /** `10.187.0.0/21` */
  readonly subnet: string;
  readonly gateway: string;
  readonly address: string;
}

/** Where addresses come from. Implemented by `net/`, handed in by the worker. */
export interface BridgeAddresses {
  /** null = every bridge is full, or the range has no part left that the machine does not use. */
  take(): BridgeAddress | null;
  /** Only once nothing answers at it any more. */
  give(address: BridgeAddress): void;
}
