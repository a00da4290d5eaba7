import { closeSync, existsSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import type { EnergyConfig } from '../../../config/sections/energy.js';
import { type CountedDomain, CounterMeter } from '../counter-meter.js';
import { type EnergyReading, type EnergySource, EnergySourceError } from '../energy-source.js';
import { type Package, packagesOf, processorOf } from './cpu-topology.js';
import { raplRegistersOf } from './rapl-registers.js';
import { sourceError } from './sysfs.js';

/**
 * The same counters as `rapl`, read from the processor's own registers: for kernels without powercap. One CPU of each package is asked, since all of them show the same counter; the original adds up all
 * cores.
 */

const COUNTER_RANGE = 2 ** 32;
const MOST_WATTS = 2000;

export class RaplMsrSource implements EnergySource {
  readonly name = 'rapl-msr';
  readonly facts = {
    periodMs: 1,
    accuracy: 'as rapl: counted by the processor; within a few percent of a meter since Haswell',
    cost: 'one register a domain: an interrupt of one CPU of each package, some µs each',
    covers: 'processor packages, and memory where there is a counter for it',
  };
  readonly #root: string;
  #files: number[] = [];
  #meter: CounterMeter | null = null;

  constructor({ root }: Pick<EnergyConfig, 'root'>) {
    this.#root = root;
  }

  async open(): Promise<void> {
    const processor = processorOf(this.#root);
    const registers = processor === null ? null : raplRegistersOf(processor);
    if (registers === null) {
      throw new EnergySourceError('missing', 'this processor is not known to have registers that count energy');
    }
    try {
      const domains: CountedDomain[] = [];
      for (const one of packagesOf(this.#root)) {
        const file = openSync(this.#fileOf(one), 'r');
        this.#files.push(file);
        const general = registers.joulesPerUnit((low(readRegister(file, registers.unit)) >>> 8) & 0x1f);
        for (const { name, register, feeds, inTotal, joulesPerUnit } of registers.counters) {
          const read = (): number => low(readRegister(file, register));
          // Of what the processor does not have, the register is missing or stands at 0. The package's own must be there.
          if (name !== null && !counts(read)) continue;
          read();
          domains.push({
            name: name === null ? one.name : `${one.name}/${name}`,
            feeds,
            inTotal,
            range: COUNTER_RANGE,
            joulesPerUnit: joulesPerUnit ?? general,
            mostWatts: MOST_WATTS,
            read,
          });
        }
      }
      if (domains.length === 0)
        throw new EnergySourceError('missing', 'it cannot be told which CPUs are in which package');
      this.#meter = new CounterMeter(domains);
      this.#meter.read();
    } catch (error) {
      await this.close();
      throw this.#explained(error);
    }
  }

  async read(): Promise<EnergyReading> {
    if (this.#meter === null) throw new EnergySourceError('failed', 'it is not open');
    try {
      return this.#meter.read();
    } catch (error) {
      throw this.#explained(error);
    }
  }

  async close(): Promise<void> {
    this.#meter = null;
    for (const file of this.#files.splice(0)) closeSync(file);
  }

  #fileOf({ cpu }: Package): string {
    return join(this.#root, `dev/cpu/${cpu}/msr`);
  }

  #explained(error: unknown): EnergySourceError {
    const loaded = existsSync(join(this.#root, 'dev/cpu/0/msr'));
    return sourceError(error, {
      missing: loaded
        ? { message: 'the processor does not show its energy registers, as in most virtual machines', remedy: null }
        : { message: `there is no ${join(this.#root, 'dev/cpu/0/msr')}`, remedy: 'sudo modprobe msr' },
      forbidden: {
        message: 'the processor’s registers are for root, or CAP_SYS_RAWIO, and for nobody on a locked-down kernel',
        remedy: `sudo setcap cap_sys_rawio=ep ${process.execPath} && sudo chmod a+r ${join(this.#root, 'dev/cpu')}/*/msr`,
      },
    });
  }
}

function readRegister(file: number, register: number): Buffer {
  const value = Buffer.alloc(8);
  const read = readSync(file, value, 0, 8, register);
  if (read !== 8) throw Object.assign(new Error(`register 0x${register.toString(16)} cannot be read`), { code: 'EIO' });
  return value;
}

/** Counters and units are in the lower half. */
function low(value: Buffer): number {
  return value.readUInt32LE(0);
}

function counts(read: () => number): boolean {
  try {
    return read() !== 0;
  } catch {
    return false;
  }
}
