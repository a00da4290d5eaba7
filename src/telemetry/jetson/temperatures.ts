import type { JetsonReading } from './jetson-reading.js';
import type { SystemFiles } from './system-files.js';

/** The board's thermal zones, which the kernel reads in thousandths of a degree. A part that is switched off answers with an error, or with −256 °C. */
export class Temperatures {
  readonly #files: SystemFiles;
  readonly #zones: readonly { readonly name: string; readonly path: string }[];

  constructor(files: SystemFiles) {
    this.#files = files;
    this.#zones = files.list(THERMAL).flatMap((entry) => {
      const type = entry.startsWith('thermal_zone') ? files.textNow(`${THERMAL}/${entry}/type`) : null;
      // The power management chip reports a constant.
      if (type === null || /^pmic/i.test(type)) return [];
      return [{ name: type.replace(/-therm(al)?$/i, ''), path: `${THERMAL}/${entry}/temp` }];
    });
  }

  async read(): Promise<JetsonReading['temperatures']> {
    const temperatures: { name: string; tempC: number }[] = [];
    for (const { name, path } of this.#zones) {
      const milliC = await this.#files.number(path);
      if (milliC !== null && milliC > OFF_MILLI_C) temperatures.push({ name, tempC: milliC / 1000 });
    }
    return temperatures;
  }
}

const THERMAL = 'sys/class/thermal';
const OFF_MILLI_C = -100_000;
