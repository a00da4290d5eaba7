import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { EnergySourceError } from '../energy-source.js';
import type { Probe, ProbeReading } from './probe.js';

/**
 * CPU time of a process, or of it and all that descend from it, straight from /proc: the original starts a `ps` for each reading, which is more work than most of what it measures. What a descendant used
 * that has ended is in its parent's account of children, so the total of a tree goes on.
 */

/** Of `utime` and its kin: what the kernel shows to programs is always in hundredths of a second. */
const TICK_US = 10_000;

export interface ProcessProbeOptions {
  readonly pid: number;
  /** Its descendants with it. */
  readonly tree: boolean;
  readonly periodMs: number;
  readonly root?: string;
}

interface ProcessTimes {
  readonly pid: number;
  readonly parent: number;
  /** Clock ticks since the machine began: a pid that was given again is another process. */
  readonly began: string;
  readonly ownTicks: number;
  /** Of children that have ended. */
  readonly childTicks: number;
}

export class ProcessProbe implements Probe {
  readonly source = 'process';
  readonly periodMs: number;
  readonly #options: ProcessProbeOptions;
  readonly #proc: string;
  #began = '';
  #before: { readonly atUs: number; readonly cpuUs: number } | null = null;

  constructor(options: ProcessProbeOptions) {
    this.periodMs = options.periodMs;
    this.#options = options;
    this.#proc = join(options.root ?? '/', 'proc');
  }

  async open(): Promise<void> {
    this.#began = this.#times().began;
    await this.read();
  }

  async read(): Promise<ProbeReading> {
    const { pid, tree } = this.#options;
    const own = this.#times();
    if (own.began !== this.#began) throw this.#gone();
    const atUs = performance.now() * 1000;
    const ticks = tree ? treeTicks(own, this.#all()) : own.ownTicks;
    const cpuUs = ticks * TICK_US;
    const before = this.#before;
    this.#before = { atUs, cpuUs };
    // Who leaves the tree takes its time with it.
    const share = before === null ? {} : { cpuShare: Math.max(0, cpuUs - before.cpuUs) / (atUs - before.atUs) };
    return { atUs, values: [{ domain: String(pid), cpuUs, ...share }] };
  }

  async close(): Promise<void> {
    this.#before = null;
  }

  #times(): ProcessTimes {
    const times = timesOf(this.#proc, this.#options.pid);
    if (times === null) throw this.#gone();
    return times;
  }

  #all(): ProcessTimes[] {
    return readdirSync(this.#proc)
      .filter((name) => /^\d+$/.test(name))
      .flatMap((name) => timesOf(this.#proc, Number(name)) ?? []);
  }

  #gone(): EnergySourceError {
    return new EnergySourceError('missing', `there is no process ${this.#options.pid}`);
  }
}

function treeTicks(root: ProcessTimes, all: readonly ProcessTimes[]): number {
  const children = new Map<number, ProcessTimes[]>();
  for (const one of all) children.set(one.parent, [...(children.get(one.parent) ?? []), one]);
  let ticks = 0;
  const waiting = [root];
  const seen = new Set<number>();
  for (let one = waiting.pop(); one !== undefined; one = waiting.pop()) {
    // Parents change while /proc is read: a pid must not be counted twice.
    if (seen.has(one.pid)) continue;
    seen.add(one.pid);
    ticks += one.ownTicks + one.childTicks;
    waiting.push(...(children.get(one.pid) ?? []));
  }
  return ticks;
}

/** null = it has ended. A name may hold spaces and brackets: fields are counted from the last bracket. */
function timesOf(proc: string, pid: number): ProcessTimes | null {
  let text: string;
  try {
    text = readFileSync(join(proc, String(pid), 'stat'), 'utf8');
  } catch {
    return null;
  }
  // The first of them is the third field of proc(5).
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const field = (number: number): string => fields[number - 3] ?? '0';
  const ticks = (...numbers: number[]): number => numbers.reduce((sum, number) => sum + Number(field(number)), 0);
  return { pid, parent: Number(field(4)), began: field(22), ownTicks: ticks(14, 15), childTicks: ticks(16, 17) };
}
