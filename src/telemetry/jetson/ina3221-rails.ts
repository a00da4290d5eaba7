import type { RailPower } from './jetson-reading.js';
import { numberOf, type SystemFiles } from './system-files.js';

/**
 * The power sensors of a board (INA3221, up to three rails each), where the kernel shows them: in hwmon (JetPack 5 and later), or under the driver's own name (before). Which rails there are is found
 * out once; a reading asks each sensor over its bus, so it is done off this thread.
 */
export class Ina3221Rails {
  readonly #files: SystemFiles;
  readonly #rails: readonly RailFiles[];

  constructor(files: SystemFiles) {
    this.#files = files;
    this.#rails = [...hwmonRails(files), ...driverRails(files)];
  }

  /** How many there are; those that cannot be read are among them. */
  get count(): number {
    return this.#rails.length;
  }

  /** They are there, and this user may not read them. */
  get forbidden(): boolean {
    return this.#rails.some(({ powerMw, currentMa }) => this.#files.forbidden(powerMw ?? currentMa));
  }

  /** One of the files that are read; with `*` for what numbers there are. */
  get example(): string {
    const [first] = this.#rails;
    return this.#files.path((first?.powerMw ?? first?.currentMa ?? '').replace(/\d+(?=_input$)/, '*'));
  }

  /** Rails that are switched off or do not answer are left out. */
  async read(): Promise<RailPower[]> {
    const rails: RailPower[] = [];
    for (const { name, powerMw, currentMa, voltageMv } of this.#rails) {
      const power = powerMw === null ? await this.#product(currentMa, voltageMv) : await this.#files.number(powerMw);
      if (power !== null && power >= 0) rails.push({ name, powerMw: power });
    }
    return rails;
  }

  async #product(currentMa: string, voltageMv: string): Promise<number | null> {
    const current = await this.#files.number(currentMa);
    const voltage = current === null ? null : await this.#files.number(voltageMv);
    return current === null || voltage === null ? null : (current * voltage) / 1000;
  }
}

interface RailFiles {
  readonly name: string;
  /** Null = the product of the other two. */
  readonly powerMw: string | null;
  readonly currentMa: string;
  readonly voltageMv: string;
}

const HWMON = 'sys/class/hwmon';
const DRIVER = 'sys/bus/i2c/drivers/ina3221x';

function hwmonRails(files: SystemFiles): RailFiles[] {
  return files.list(HWMON).flatMap((entry) => {
    const folder = `${HWMON}/${entry}`;
    if (files.textNow(`${folder}/name`) !== 'ina3221') return [];
    return files.list(folder).flatMap((file) => {
      const channel = /^in(\d+)_label$/.exec(file)?.[1];
      const name = channel === undefined ? null : files.textNow(`${folder}/${file}`);
      // The sum of the shunt voltages is a channel of its own, and no rail.
      if (channel === undefined || name === null || name === '' || /shunt/i.test(name)) return [];
      if (numberOf(files.textNow(`${folder}/in${channel}_enable`)) === 0) return [];
      const path = (what: string): string => `${folder}/${what}${channel}_input`;
      return [{ name, powerMw: null, currentMa: path('curr'), voltageMv: path('in') }];
    });
  });
}

function driverRails(files: SystemFiles): RailFiles[] {
  return files.list(DRIVER).flatMap((sensor) =>
    files.list(`${DRIVER}/${sensor}`).flatMap((device) => {
      if (!device.startsWith('iio:device')) return [];
      const folder = `${DRIVER}/${sensor}/${device}`;
      return files.list(folder).flatMap((file) => {
        const channel = /^rail_name_(\d+)$/.exec(file)?.[1];
        const name = channel === undefined ? null : files.textNow(`${folder}/${file}`);
        if (channel === undefined || name === null || name === '') return [];
        return [{ name, powerMw: `${folder}/in_power${channel}_input`, currentMa: '', voltageMv: '' }];
      });
    }),
  );
}
