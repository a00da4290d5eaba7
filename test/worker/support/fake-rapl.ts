import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A fake of the kernel's energy counters, which virtual machines have not: a tree with one package that takes `watts`, whatever runs. */
export class FakeRapl implements Disposable {
  readonly root = mkdtempSync(join(tmpdir(), 'iluvatar-test-rapl-'));
  watts: number;
  readonly #folder = join(this.root, 'sys/class/powercap/intel-rapl:0');
  readonly #timer: NodeJS.Timeout;
  #joules = 0;
  #countedAt = performance.now();

  constructor(watts: number) {
    this.watts = watts;
    this.appear();
    this.#timer = setInterval(() => this.#count(), 10);
  }

  /** It is not there any more. */
  vanish(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  appear(): void {
    mkdirSync(this.#folder, { recursive: true });
    writeFileSync(join(this.#folder, 'name'), 'package-0\n');
    writeFileSync(join(this.#folder, 'max_energy_range_uj'), '262143328850\n');
    this.#count();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    rmSync(this.root, { recursive: true, force: true });
  }

  #count(): void {
    const now = performance.now();
    this.#joules += (this.watts * (now - this.#countedAt)) / 1000;
    this.#countedAt = now;
    try {
      // In one step: a reader must not find half a number.
      writeFileSync(join(this.#folder, 'next'), `${Math.round(this.#joules * 1e6)}\n`);
      renameSync(join(this.#folder, 'next'), join(this.#folder, 'energy_uj'));
    } catch {
      // It has vanished.
    }
  }
}
