import type { SystemFiles } from './system-files.js';

/**
 * Whether the board holds itself back: a cooling device of the kernel is at work that is no fan, or the voltage regulators counted an over-current since the last look. A clock below its highest is no
 * sign: that is what an idle part has.
 */
export class Throttling {
  readonly #files: SystemFiles;
  readonly #coolers: readonly { readonly name: string; readonly state: string }[];
  readonly #events: readonly { readonly name: string; readonly count: string }[];
  readonly #counts = new Map<string, number>();
  /** Over-current events seen since the first look. */
  events = 0;

  constructor(files: SystemFiles) {
    this.#files = files;
    this.#coolers = files.list(THERMAL).flatMap((entry) => {
      const name = entry.startsWith('cooling_device') ? files.textNow(`${THERMAL}/${entry}/type`) : null;
      return name === null || /fan/i.test(name) ? [] : [{ name, state: `${THERMAL}/${entry}/cur_state` }];
    });
    this.#events = files.list(HWMON).flatMap((entry) =>
      files.list(`${HWMON}/${entry}`).flatMap((file) => {
        const name = /^(oc\d+)_event_cnt$/.exec(file)?.[1];
        return name === undefined ? [] : [{ name, count: `${HWMON}/${entry}/${file}` }];
      }),
    );
  }

  /** This board says nothing of it. */
  get blind(): boolean {
    return this.#coolers.length + this.#events.length === 0;
  }

  /** What holds it back, by the kernel's names, each once; empty = nothing. */
  async read(): Promise<string[]> {
    const causes = new Set<string>();
    for (const { name, state } of this.#coolers) if (((await this.#files.number(state)) ?? 0) > 0) causes.add(name);
    for (const { name, count } of this.#events) {
      const now = await this.#files.number(count);
      if (now === null) continue;
      const before = this.#counts.get(count);
      this.#counts.set(count, now);
      if (before === undefined || now <= before) continue;
      this.events += now - before;
      causes.add(name);
    }
    return [...causes];
  }
}

const THERMAL = 'sys/class/thermal';
const HWMON = 'sys/class/hwmon';
