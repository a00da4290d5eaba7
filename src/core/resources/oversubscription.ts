import type { CpuSlots } from './cpu-slots.js';

export interface OversubscriptionOptions {
  /** Most slots, however idle the machine is. */
  readonly maxSlots: number;
  /** Load per core above which slots are taken back. */
  readonly maxLoad: number;
}

/**
 * More CPU slots than configured while the machine has time to spare: functions that wait for I/O hold slots and no CPU. One more at each reading below the
 * greatest load, half of the extra ones (rounded up) taken back at each above it. Nothing waits for slots to be taken back (Ilúvatar, HPDC 2023, does).
 */
export class Oversubscription {
  readonly #slots: CpuSlots;
  readonly #baseSlots: number;
  readonly #options: OversubscriptionOptions;

  constructor(slots: CpuSlots, options: OversubscriptionOptions) {
    this.#slots = slots;
    this.#baseSlots = slots.total;
    this.#options = options;
  }

  /** `loadPerCore`: load average divided by the number of cores. */
  reading(loadPerCore: number): void {
    const { maxSlots, maxLoad } = this.#options;
    const now = this.#slots.total;
    if (loadPerCore > maxLoad) {
      if (now > this.#baseSlots) this.#slots.resize(now - Math.ceil((now - this.#baseSlots) / 2));
    } else if (now < maxSlots) this.#slots.resize(Math.min(maxSlots, now + 1));
  }
}
