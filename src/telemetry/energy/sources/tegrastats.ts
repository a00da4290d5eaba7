import type { EnergyConfig } from '../../../config/sections/energy.js';
import type { JetsonConfig } from '../../../config/sections/jetson.js';
import type { LineChildFailure } from '../../children/line-child.js';
import { type JetsonReading, readingOf } from '../../jetson/jetson-reading.js';
import { TegrastatsParser } from '../../jetson/tegrastats-parser.js';
import { ChildMeter } from '../child-meter.js';
import { ChildSource } from '../child-source.js';
import { type EnergySource, EnergySourceError } from '../energy-source.js';
import { BoardPower } from './board-power.js';

/** A Jetson's power as tegrastats says it, for boards whose kernel does not show the sensors to us. What it calls average is since its start, and not used. */

const SHORTEST_MS = 10;
const START_MS = 5000;

export class TegrastatsEnergySource extends ChildSource implements EnergySource {
  readonly name = 'tegrastats';
  readonly facts;
  readonly #command: readonly string[];
  readonly #periodMs: number;

  constructor({ periodMs }: Pick<EnergyConfig, 'periodMs'>, { command }: Pick<JetsonConfig, 'command'>) {
    super();
    this.#command = command;
    this.#periodMs = Math.max(SHORTEST_MS, periodMs);
    this.facts = {
      periodMs: this.#periodMs,
      accuracy:
        'as ina3221, in whole mW, of the moment of the line; the energy is integrated over the times when lines come',
      cost: 'a process of its own, and a line of up to a kilobyte a period; jetson.source: tegrastats runs another one',
      covers: 'the module by its input rail; without one (AGX) the sum of the rails that are measured',
    };
  }

  protected override createMeter(): ChildMeter {
    const [program = 'tegrastats', ...args] = this.#command;
    const power = new BoardPower(this.#periodMs * 1000);
    let parser = new TegrastatsParser();
    let latest: JetsonReading | null = null;
    return new ChildMeter({
      program,
      args: [...args, '--interval', String(this.#periodMs)],
      periodMs: this.#periodMs,
      startMs: START_MS + this.#periodMs,
      started: () => {
        parser = new TegrastatsParser();
        latest = null;
      },
      line: (line, atUs) => {
        for (const sample of parser.push(Buffer.from(`${line}\n`, 'latin1'))) latest = readingOf(sample, atUs);
      },
      reading: (atUs) => {
        const now = latest;
        latest = null;
        return now === null || now.rails.length === 0 ? null : power.take(atUs, now.rails, now.totalPower);
      },
      explain: (failure) => explained(failure, program),
    });
  }
}

function explained({ cause, message }: LineChildFailure, program: string): EnergySourceError {
  if (cause === 'missing') return new EnergySourceError('missing', `${message}; it comes with Jetson Linux`);
  if (cause === 'forbidden') return new EnergySourceError('forbidden', message);
  // Without root the lines of some releases have no rails.
  if (cause === 'stalled' && process.geteuid?.() !== 0) {
    return new EnergySourceError('forbidden', `${program} says no power to this user`, 'run it as root');
  }
  if (cause === 'stalled') return new EnergySourceError('missing', `${program} says no power`);
  return new EnergySourceError('failed', message);
}
