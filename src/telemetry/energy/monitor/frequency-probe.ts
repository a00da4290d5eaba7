import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { EnergySourceError } from '../energy-source.js';
import { numberOf } from '../sources/sysfs.js';
import type { Probe, ProbeReading } from './probe.js';

/** Frequencies of all CPUs, as the kernel has them (cpufreq): what it asked for, on some processors what they do. */
export class FrequencyProbe implements Probe {
  readonly source = 'cpu-frequency';
  readonly periodMs: number;
  readonly #folder: string;
  #cpus: string[] = [];

  constructor({ root, periodMs }: { readonly root: string; readonly periodMs: number }) {
    this.periodMs = periodMs;
    this.#folder = join(root, 'sys/devices/system/cpu');
  }

  async open(): Promise<void> {
    const numbers = readdirSync(this.#folder).flatMap((name) => /^cpu(\d+)$/.exec(name)?.[1] ?? []);
    this.#cpus = numbers.sort((a, b) => Number(a) - Number(b)).map((number) => `cpu${number}`);
    await this.read();
  }

  async read(): Promise<ProbeReading> {
    const atUs = performance.now() * 1000;
    const values = this.#cpus.flatMap((domain) => {
      const freqKhz = numberOf(join(this.#folder, domain, 'cpufreq/scaling_cur_freq'));
      return freqKhz === null ? [] : [{ domain, freqKhz }];
    });
    if (values.length === 0) {
      throw new EnergySourceError(
        'missing',
        'the kernel does not govern frequencies here, as in most virtual machines',
      );
    }
    return { atUs, values };
  }

  async close(): Promise<void> {
    this.#cpus = [];
  }
}
