import { anyOf, logNormalUs } from '../../core/durations.js';
import type { Device } from '../../core/function.js';
import type { Random } from '../../core/random.js';
import { type DeviceTimings, type FunctionTimings, measuredCreations, measuredCreationUs } from '../../core/timings.js';
import type { DescribedOutcome, Description, Duration, Durations } from './description.js';

/** What a container does next: a description and measured times, with chance taken out. Times are whole µs. */
export class Behaviour {
  readonly description: Description;
  readonly #timings: FunctionTimings;

  constructor(description: Description, timings: FunctionTimings) {
    this.description = description;
    this.#timings = timings;
  }

  /** Making a container, and loading its code. Measured times do not tell the two apart. */
  creation(device: Device, random: Random): { createUs: number; loadUs: number } {
    const { create, load } = this.description;
    const loadUs = load === null ? 0 : draw(load, device, random);
    if (create !== null) return { createUs: draw(create, device, random), loadUs };
    const timings = this.#of(device);
    const count = timings === null ? 0 : measuredCreations(timings);
    if (timings === null || count === 0) return { createUs: 0, loadUs };
    return { createUs: measuredCreationUs(timings, anyOf(count, random)), loadUs };
  }

  /** The creation fails for a reason that passes. */
  failsForNow(random: Random): boolean {
    const { creationFailures } = this.description;
    return creationFailures > 0 && random() < creationFailures;
  }

  outcome(args: unknown): DescribedOutcome | null {
    const { outcomeField, outcomes } = this.description;
    const name = field(args, outcomeField);
    return typeof name === 'string' && Object.hasOwn(outcomes, name) ? (outcomes[name] as DescribedOutcome) : null;
  }

  /**
   * Inside the function. In this order: what the outcome says, what the arguments say (`{"CPU": {"cold_dur_ms", "warm_dur_ms"}}`, as the original's load generator has
   * them), the description, measured times. `first`: the first run in its container.
   */
  runUs(args: unknown, outcome: DescribedOutcome | null, device: Device, first: boolean, random: Random): number {
    if (outcome !== null && outcome.run !== null) return draw(outcome.run, device, random);
    const asked = field(field(args, device === 'gpu' ? 'GPU' : 'CPU'), first ? 'cold_dur_ms' : 'warm_dur_ms');
    if (typeof asked === 'number' && asked >= 0 && Number.isFinite(asked)) return Math.round(asked * 1000);
    const { run, coldRun } = this.description;
    const described = first ? (coldRun ?? run) : run;
    if (described !== null) return draw(described, device, random);
    const timings = this.#of(device);
    const measured = first && timings?.coldRunUs.length ? timings.coldRunUs : (timings?.warmRunUs ?? []);
    return measured.length === 0 ? 0 : Math.round(measured[anyOf(measured.length, random)] as number);
  }

  destroyUs(random: Random): number {
    return drawOne(this.description.destroy, random);
  }

  /** Those of the CPU stand for a GPU that was not measured. */
  #of(device: Device): DeviceTimings | null {
    return this.#timings[device] ?? this.#timings.cpu ?? null;
  }
}

function draw(durations: Durations, device: Device, random: Random): number {
  return drawOne(typeof durations === 'object' && 'cpu' in durations ? durations[device] : durations, random);
}

function drawOne(duration: Duration, random: Random): number {
  if (typeof duration === 'number') return Math.round(duration);
  if ('meanUs' in duration) return logNormalUs(duration.meanUs, duration.sigma, random);
  return Math.round(duration.samplesUs[anyOf(duration.samplesUs.length, random)] as number);
}

function field(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
  return (value as Record<string, unknown>)[name];
}
