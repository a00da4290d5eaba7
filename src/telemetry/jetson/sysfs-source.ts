import { GpuLoad } from './gpu-load.js';
import { Ina3221Rails } from './ina3221-rails.js';
import type { JetsonReading } from './jetson-reading.js';
import type { JetsonListener, JetsonSource } from './jetson-source.js';
import type { SystemFiles } from './system-files.js';
import { Temperatures } from './temperatures.js';
import { totalPower } from './total-power.js';

/**
 * Reads the board's sensors and the load of its GPU where the kernel shows them, without tegrastats: cheaper, and as often as one likes. One reading follows the other: sensors that take longer than the
 * interval slow it down, and are not asked twice at once.
 */
export interface SysfsSourceOptions {
  readonly files: SystemFiles;
  readonly intervalMs: number;
}

export class SysfsSource implements JetsonSource {
  readonly name = 'sysfs';
  readonly counters = { readings: 0, odd: 0, restarts: 0 };
  readonly #options: SysfsSourceOptions;
  readonly #gpu: GpuLoad;
  readonly #rails: Ina3221Rails;
  readonly #temperatures: Temperatures;
  #timer: NodeJS.Timeout | null = null;
  #round: Promise<void> | null = null;
  #stopped = false;

  constructor(options: SysfsSourceOptions) {
    const { files } = options;
    this.#options = options;
    this.#gpu = new GpuLoad(files);
    this.#rails = new Ina3221Rails(files);
    this.#temperatures = new Temperatures(files);
  }

  /** What there is to read. */
  get has(): { readonly gpu: boolean; readonly rails: boolean } {
    return { gpu: this.#gpu.readable, rails: this.#rails.count > 0 };
  }

  start(listener: JetsonListener): void {
    let failing = false;
    const round = async (): Promise<void> => {
      const reading = await this.read();
      if (this.#stopped) return;
      if (saysNothing(reading)) {
        this.counters.odd++;
        // Once: it is looked at again at each interval.
        if (!failing) listener.failed('error', 'neither the load of the GPU nor a power sensor can be read');
        failing = true;
      } else {
        this.counters.readings++;
        failing = false;
        listener.reading(reading);
      }
      this.#timer = setTimeout(begin, this.#options.intervalMs);
      this.#timer.unref();
    };
    const begin = (): void => {
      this.#round = round();
    };
    begin();
  }

  async read(): Promise<JetsonReading> {
    const gpu = await this.#gpu.read();
    const rails = await this.#rails.read();
    const temperatures = await this.#temperatures.read();
    const memory = memoryOf(await this.#options.files.text('proc/meminfo'));
    // Its own time is that of the readings, not of the request.
    const atUs = performance.now() * 1000;
    return { atUs, gpu, memory, cpus: [], temperatures, rails, totalPower: totalPower(rails) };
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    await this.#round;
  }
}

function saysNothing({ gpu, rails, temperatures }: JetsonReading): boolean {
  return gpu.utilizationPercent === null && rails.length === 0 && temperatures.length === 0;
}

/** Used as tegrastats counts it: without what the kernel would give back at once (page cache, buffers, reclaimable slabs). */
function memoryOf(meminfo: string | null): JetsonReading['memory'] {
  const kb = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(meminfo ?? '')?.[1] ?? NaN);
  const total = kb('MemTotal');
  const used = total - kb('MemFree') - kb('Buffers') - kb('Cached') - kb('SReclaimable');
  return Number.isFinite(used) ? { usedMb: Math.max(0, used) / 1024, totalMb: total / 1024 } : null;
}
