import { closeSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import type { CgroupLayout } from './layout.js';

/**
 * CPU time of the runs of one container, on all cores, from its cgroup. Read when a run begins, when it ends, and in between when somebody asks: what the container uses while nothing runs in it is
 * nobody's. Of runs at once each has an equal share of what was used while they overlapped: the kernel counts the container and not them.
 */
export class CpuMeter {
  readonly #path: string;
  /** Of the kernel's unit in a µs. */
  readonly #perUs: number;
  readonly #runs = new Map<number, { us: number }>();
  #file = -1;
  #lastUs = 0;
  #broken = false;

  /** `path`: `cpuacct.usage`, in ns, or `cpu.stat`, whose first number is µs. */
  constructor(path: string, perUs: number) {
    this.#path = path;
    this.#perUs = perUs;
  }

  began(requestId: number): void {
    this.#share();
    this.#runs.set(requestId, { us: 0 });
  }

  /** Takes it out; µs, null = it cannot be read. */
  ended(requestId: number): number | null {
    const us = this.soFar(requestId);
    this.#runs.delete(requestId);
    return us;
  }

  /** Of a run that goes on; µs, null = there is none, or it cannot be read. */
  soFar(requestId: number): number | null {
    const run = this.#runs.get(requestId);
    if (run === undefined) return null;
    this.#share();
    return this.#broken ? null : Math.round(run.us);
  }

  close(): void {
    if (this.#file >= 0) closeSync(this.#file);
    this.#file = -1;
    this.#broken = true;
  }

  #share(): void {
    const nowUs = this.#read();
    if (nowUs === null) {
      this.#broken = true;
      return;
    }
    const each = Math.max(0, nowUs - this.#lastUs) / this.#runs.size;
    this.#lastUs = nowUs;
    for (const run of this.#runs.values()) run.us += each;
  }

  #read(): number | null {
    if (this.#broken) return null;
    try {
      if (this.#file < 0) this.#file = openSync(this.#path, 'r');
      return firstNumber(readSync(this.#file, TEXT, 0, TEXT.length, 0)) / this.#perUs;
    } catch {
      return null;
    }
  }
}

/** One for all: it is used up before anything else can read. */
const TEXT = Buffer.alloc(48);
const [ZERO, NINE] = [0x30, 0x39];

/** Throws when there is none among so many bytes. */
function firstNumber(bytes: number): number {
  let at = 0;
  while (at < bytes && !isDigit(TEXT[at] as number)) at++;
  if (at === bytes) throw new RangeError('no number');
  let value = 0;
  for (; at < bytes && isDigit(TEXT[at] as number); at++) value = 10 * value + (TEXT[at] as number) - ZERO;
  return value;
}

function isDigit(byte: number): boolean {
  return byte >= ZERO && byte <= NINE;
}

/** `dirs`: of one container, in the order of the layout. null = CPU time is not counted here. */
export function cpuMeterFor(layout: CgroupLayout, dirs: readonly string[]): CpuMeter | null {
  const dir = dirs[layout.cpuTime];
  if (dir === undefined) return null;
  return layout.versions[layout.cpuTime] === 2
    ? new CpuMeter(join(dir, 'cpu.stat'), 1)
    : new CpuMeter(join(dir, 'cpuacct.usage'), 1000);
}
