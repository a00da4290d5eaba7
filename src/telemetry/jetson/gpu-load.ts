import type { SystemFiles } from './system-files.js';

/**
 * The load of the board's GPU, as its driver counts it: per mille of the last moment, in a file that moved from one release to the next. Thor's driver has none.
 */
export class GpuLoad {
  readonly #files: SystemFiles;
  readonly #load: string | null;
  readonly #freqHz: string | null;

  constructor(files: SystemFiles) {
    this.#files = files;
    const devfreq = files.list(DEVFREQ).find((name) => GPU.test(name));
    const folders = [
      'sys/devices/gpu.0',
      'sys/devices/platform/gpu.0',
      ...files.list(PLATFORM).flatMap((name) => (GPU.test(name) ? [`${PLATFORM}/${name}`] : [])),
      ...(devfreq === undefined ? [] : [`${DEVFREQ}/${devfreq}/device`]),
    ];
    this.#load = folders.map((folder) => `${folder}/load`).find((path) => files.textNow(path) !== null) ?? null;
    this.#freqHz = devfreq === undefined ? null : `${DEVFREQ}/${devfreq}/cur_freq`;
  }

  /** There is such a file, and this user may read it. */
  get readable(): boolean {
    return this.#load !== null;
  }

  async read(): Promise<{ readonly utilizationPercent: number | null; readonly freqMhz: number | null }> {
    const perMille = this.#load === null ? null : await this.#files.number(this.#load);
    const freqHz = this.#freqHz === null ? null : await this.#files.number(this.#freqHz);
    return {
      utilizationPercent: perMille === null || perMille < 0 ? null : Math.min(100, perMille / 10),
      freqMhz: freqHz === null ? null : freqHz / 1e6,
    };
  }
}

const DEVFREQ = 'sys/class/devfreq';
const PLATFORM = 'sys/devices/platform';
/** `17000000.gpu`, `57000000.gpu`, and by the name of the chip's GPU up to JetPack 5: `17000000.gv11b`, `17000000.ga10b`, `17000000.gp10b`. */
const GPU = /^[0-9a-f]+\.(gpu|gk20a|gm20b|gp10b|gv11b|ga10b)$/;
