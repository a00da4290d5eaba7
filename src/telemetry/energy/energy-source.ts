import { ENERGY_SOURCES, type EnergySourceName } from '../../config/energy-source-names.js';

export { ENERGY_SOURCES, type EnergySourceName };

/**
 * Where energy is read: a counter of the processor (RAPL), the board's sensors (INA3221, tegrastats), its management controller (IPMI), a battery, a GPU. All answer in the same terms: joules
 * since they were opened. A source that only knows power integrates it itself (trapezoid over its own monotonic clock).
 *
 * Not promised: that two sources agree, that a source covers the whole machine (`facts.covers`), that a reading is new: `atUs` says of when it is.
 */
export interface EnergySource {
  /** As in the configuration. */
  readonly name: EnergySourceName;
  readonly facts: EnergySourceFacts;
  /** Throws EnergySourceError where it is missing or forbidden. What it starts, `close` ends. */
  open(): Promise<void>;
  /** The latest. Rejects when there is none; later ones may succeed. Never takes longer than its own time-out. */
  read(): Promise<EnergyReading>;
  /** Idempotent. */
  close(): Promise<void>;
}

export interface EnergySourceFacts {
  /** How often its value changes; ms. Reading it more often gives the same again. */
  readonly periodMs: number;
  /** What is known of its error, for people. */
  readonly accuracy: string;
  /** What a reading costs the machine, for people. */
  readonly cost: string;
  /** What of the machine it measures, for people: packages, the whole board, … */
  readonly covers: string;
}

export interface EnergyReading {
  /** Of when it is: `performance.now()`, µs. */
  readonly atUs: number;
  /** Of all that counts into the total, since `open`; never falls. */
  readonly joules: number;
  /** Mean power since the reading before, or what the source says itself; 0 at first. */
  readonly watts: number;
  /** True = of the time since the reading before, something is missing in the total, or it is put together from parts. */
  readonly estimated: boolean;
  readonly domains: readonly EnergyDomain[];
}

export interface EnergyDomain {
  /** As the source names it: `package-0`, `VDD_GPU_SOC`, … */
  readonly name: string;
  readonly joules: number;
  readonly watts: number;
  /** What it feeds: decides among whom its energy is divided. */
  readonly feeds: 'cpu' | 'gpu' | 'memory' | 'all' | 'other';
  /** False = it is inside another one, or beside the total: not to be added up. */
  readonly inTotal: boolean;
}

/** Says what is missing or forbidden, and what to do about it. */
export class EnergySourceError extends Error {
  readonly code: 'missing' | 'forbidden' | 'failed';
  /** A command that grants access, or installs what is missing; null = there is none. */
  readonly remedy: string | null;

  constructor(code: EnergySourceError['code'], message: string, remedy: string | null = null) {
    super(remedy === null ? message : `${message}: ${remedy}`);
    this.name = 'EnergySourceError';
    this.code = code;
    this.remedy = remedy;
  }
}
