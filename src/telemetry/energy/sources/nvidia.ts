import type { EnergyConfig } from '../../../config/sections/energy.js';
import type { LineChildFailure } from '../../children/line-child.js';
import { ChildMeter } from '../child-meter.js';
import { ChildSource } from '../child-source.js';
import { type EnergySource, EnergySourceError } from '../energy-source.js';
import { PowerMeter, type PowerSample } from '../power-meter.js';

/** Power of NVIDIA's GPUs, as the driver says it to one `nvidia-smi` that goes on asking: to start it anew for each reading would cost up to seconds, when nothing else keeps the driver loaded. */

const SHORTEST_MS = 100;
const START_MS = 20_000;

export class NvidiaSource extends ChildSource implements EnergySource {
  readonly name = 'nvidia';
  readonly facts;
  readonly #program: string;
  readonly #periodMs: number;
  /** Of the round that is being written, and of the last whole one that was not taken yet. */
  #samples: PowerSample[] = [];
  #round: PowerSample[] = [];
  /** GPUs that a whole round has: their lines may come one by one. */
  #gpus = new Set<string>();

  constructor({ nvidia, periodMs }: Pick<EnergyConfig, 'nvidia' | 'periodMs'>) {
    super();
    this.#program = nvidia.command;
    this.#periodMs = Math.max(SHORTEST_MS, periodMs);
    this.facts = {
      periodMs: this.#periodMs,
      accuracy:
        '5 % of the power, or 5 W; the mean of a second since Ampere (but not A100), else of the moment; the energy is integrated from it',
      cost: 'a process of its own, and a call of the driver a period',
      covers: 'GPUs with their memory and boards; not the machine they are in',
    };
  }

  protected override createMeter(): ChildMeter {
    const powers = new PowerMeter(this.#periodMs * 1000);
    return new ChildMeter({
      program: this.#program,
      args: ['--query-gpu=index,power.draw', '--format=csv,noheader,nounits', '-lms', String(this.#periodMs)],
      periodMs: this.#periodMs,
      startMs: START_MS,
      started: () => {
        this.#samples = [];
        this.#round = [];
        this.#gpus.clear();
      },
      line: (line) => this.#line(line),
      reading: (atUs) => {
        if (this.#samples.length >= this.#gpus.size) this.#endRound();
        const samples = this.#round.splice(0);
        return samples.some(({ watts }) => watts !== null) ? powers.take(atUs, samples) : null;
      },
      explain: (failure) => this.#explained(failure),
    });
  }

  /** `0, 75.32`; a GPU that does not tell says `[N/A]`, `[Not Supported]`, `[Unknown Error]` or `[GPU is lost]`. */
  #line(line: string): void {
    const [, index, power] = /^\s*(\d+)\s*,\s*(\S.*?)\s*$/.exec(line) ?? [];
    if (index === undefined || power === undefined) return;
    const value = Number(power.replace(/\s*W$/, ''));
    const watts = value >= 0 ? value : null;
    const name = `gpu-${index}`;
    if (this.#samples.some((sample) => sample.name === name)) {
      // The next round: one of the GPUs is not there any more.
      this.#gpus = new Set(this.#samples.map((sample) => sample.name));
      this.#endRound();
    }
    this.#gpus.add(name);
    this.#samples.push({ name, feeds: 'gpu', inTotal: true, watts });
  }

  #endRound(): void {
    if (this.#samples.length === 0) return;
    this.#round = this.#samples;
    this.#samples = [];
  }

  #explained({ cause, message }: LineChildFailure): EnergySourceError {
    if (cause === 'missing') {
      return new EnergySourceError('missing', message, 'sudo apt-get install nvidia-smi');
    }
    if (cause === 'forbidden') return new EnergySourceError('forbidden', message);
    if (/couldn't communicate with the NVIDIA driver|no devices were found/i.test(message)) {
      return new EnergySourceError('missing', message, 'sudo modprobe nvidia');
    }
    if (/insufficient permissions/i.test(message)) {
      return new EnergySourceError('forbidden', message, 'sudo chmod a+rw /dev/nvidia*');
    }
    if (cause === 'stalled') {
      return new EnergySourceError('missing', `${this.#program} says no GPU’s power`);
    }
    return new EnergySourceError('failed', message);
  }
}
