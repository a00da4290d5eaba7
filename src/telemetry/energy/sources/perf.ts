import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { EnergyConfig } from '../../../config/sections/energy.js';
import type { LineChildFailure } from '../../children/line-child.js';
import { ChildMeter } from '../child-meter.js';
import { ChildSource } from '../child-source.js';
import { type EnergyDomain, type EnergyReading, type EnergySource, EnergySourceError } from '../energy-source.js';
import { readingOf } from '../reading.js';
import { packagesOf } from './cpu-topology.js';

/**
 * Energy events of the kernel's performance counters, counted by `perf stat` for all packages: for users who may not read powercap, but may use perf. Which events there are is in sysfs; the original tries
 * each for a second.
 */

const EVENTS: Readonly<Record<string, Pick<EnergyDomain, 'name' | 'feeds' | 'inTotal'>>> = {
  'energy-pkg': { name: '', feeds: 'cpu', inTotal: true },
  'energy-ram': { name: 'dram', feeds: 'memory', inTotal: true },
  'energy-cores': { name: 'core', feeds: 'cpu', inTotal: false },
  'energy-gpu': { name: 'uncore', feeds: 'gpu', inTotal: false },
  'energy-psys': { name: 'psys', feeds: 'all', inTotal: false },
};

/** perf itself allows no shorter ones. */
const SHORTEST_MS = 10;
const START_MS = 10_000;

export class PerfSource extends ChildSource implements EnergySource {
  readonly name = 'perf';
  readonly facts;
  readonly #root: string;
  readonly #folder: string;
  readonly #program: string;
  readonly #periodMs: number;
  readonly #domains = new Map<string, EnergyDomain>();
  /** Of the interval that is being written: perf's own time. */
  #interval = '';
  #intervalS = 0;
  /** An event that counts into the total gave no value in it. */
  #lacking = false;
  /** Lines of it, and how many there will be: a reading in its middle would lack an event. */
  #lines = 0;
  #linesExpected = 1;

  constructor({ root, periodMs, perf }: Pick<EnergyConfig, 'root' | 'periodMs' | 'perf'>) {
    super();
    this.#root = root;
    this.#folder = join(root, 'sys/bus/event_source/devices/power/events');
    this.#program = perf.command;
    this.#periodMs = Math.max(SHORTEST_MS, periodMs);
    this.facts = {
      periodMs: this.#periodMs,
      accuracy: 'the same counters as rapl',
      cost: 'a process of its own that sleeps between its lines; 3 MB',
      covers: 'processor packages, and memory where there is an event for it',
    };
  }

  protected override createMeter(): ChildMeter {
    const there = eventsIn(this.#folder);
    if (!there.includes('energy-pkg')) {
      throw new EnergySourceError(
        'missing',
        `the kernel counts no energy events (${this.#folder}): no such processor, a virtual machine, or a module that is not loaded`,
        'sudo modprobe rapl',
      );
    }
    this.#domains.clear();
    const sockets = new Set(packagesOf(this.#root).map(({ socket }) => socket)).size;
    this.#linesExpected = there.length * Math.max(1, sockets);
    return new ChildMeter({
      program: this.#program,
      args: [
        ...['stat', '--all-cpus', '--per-socket', '--interval-print', String(this.#periodMs)],
        // Lines come on standard output, so that its complaints are alone on the other.
        ...['--field-separator', ',', '--log-fd', '1'],
        ...['--event', there.map((event) => `power/${event}/`).join(',')],
      ],
      periodMs: this.#periodMs,
      startMs: START_MS + this.#periodMs,
      started: () => {
        this.#interval = '';
        this.#intervalS = 0;
      },
      line: (line) => this.#line(line),
      reading: (atUs) => this.#reading(atUs),
      explain: (failure) => this.#explained(failure),
    });
  }

  /** `1.001040391,S0,1,12.34,Joules,power/energy-pkg/,1001040391,100.00,,`: time, socket, CPUs, value, unit, event. A value may be `<not counted>`. */
  #line(line: string): void {
    const [time = '', socket = '', , value = '', unit = '', event = ''] = line.trim().split(',');
    const kind = EVENTS[/^power\/(energy-\w+)\/$/.exec(event)?.[1] ?? ''];
    const package_ = /^S(\d+)/.exec(socket)?.[1];
    if (kind === undefined || package_ === undefined) return;
    if (time !== this.#interval) this.#begin(time);
    const joules = unit === 'Joules' && value !== '' ? Number(value) : Number.NaN;
    this.#lines++;
    if (!(joules >= 0)) {
      this.#lacking ||= kind.inTotal;
      return;
    }
    const name = kind.name === '' ? `package-${package_}` : `package-${package_}/${kind.name}`;
    const before = this.#domains.get(name)?.joules ?? 0;
    const watts = this.#intervalS > 0 ? joules / this.#intervalS : 0;
    this.#domains.set(name, { ...kind, name, joules: before + joules, watts });
  }

  #begin(time: string): void {
    const before = Number(this.#interval);
    this.#interval = time;
    this.#intervalS = Math.max(0, Number(time) - before);
    this.#lacking = false;
    this.#lines = 0;
  }

  #reading(atUs: number): EnergyReading | null {
    if (this.#lines < this.#linesExpected) return null;
    this.#lines = 0;
    const domains = [...this.#domains.values()];
    return domains.some(({ inTotal }) => inTotal) ? readingOf(atUs, domains, this.#lacking) : null;
  }

  #explained({ cause, message }: LineChildFailure): EnergySourceError {
    if (cause === 'missing') return new EnergySourceError('missing', message, 'sudo apt-get install linux-perf');
    if (cause === 'forbidden') return new EnergySourceError('forbidden', message);
    if (/permission|access to performance monitoring|perf_event_paranoid|EACCES/i.test(message)) {
      const remedy = 'sudo sysctl kernel.perf_event_paranoid=0';
      return new EnergySourceError('forbidden', 'perf may not count for the whole machine', remedy);
    }
    return new EnergySourceError('failed', message);
  }
}

/** Without what describes them (`.unit`, `.scale`); only those that are known. */
function eventsIn(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => name in EVENTS)
      .sort();
  } catch {
    return [];
  }
}
