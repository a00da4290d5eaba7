/** Something that a monitor reads again and again. */
export interface Probe {
  /** As in the table. */
  readonly source: string;
  readonly periodMs: number;
  /** Throws when it cannot be read at all: what is asked for shall not be missed only when the table is looked at. */
  open(): Promise<void>;
  /** Throws when there is nothing this time. */
  read(): Promise<ProbeReading>;
  close(): Promise<void>;
}

export interface ProbeReading {
  /** `performance.now()`, µs. */
  readonly atUs: number;
  readonly values: readonly ProbeValue[];
}

/** What a row says beside its times and its source; what is left out there is none of. */
export interface ProbeValue {
  /** Empty = the total. */
  readonly domain: string;
  readonly joules?: number;
  readonly watts?: number;
  readonly estimated?: boolean;
  readonly cpuUs?: number;
  /** In CPUs: 1 = one of them, all the time. */
  readonly cpuShare?: number;
  readonly freqKhz?: number;
}
