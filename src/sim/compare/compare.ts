import { availableParallelism } from 'node:os';
import { Piscina } from 'piscina';
import type { WorkerConfig } from '../../config/schema.js';
import { IluvatarError } from '../../core/index.js';
import { threadFile } from '../../worker/thread-file.js';
import type { ComparisonEnd, ComparisonRun, Measures } from './comparison.js';
import { casesOf, type Variation } from './variations.js';

/** Runs one trace under every combination of some settings, on all cores, and puts the results side by side. */

export interface ComparisonOptions {
  readonly trace: ComparisonRun['trace'];
  /** What is the same in all runs. */
  readonly config: WorkerConfig;
  readonly variations: readonly Variation[];
  /** Every combination runs once with each. */
  readonly seeds: readonly number[];
  readonly simulation?: ComparisonRun['simulation'];
  /** At once; as many as there are cores unless given. */
  readonly threads?: number;
  readonly progress?: (done: number, total: number) => void;
}

export interface ComparedRun {
  /** The value of each varied key, in the order of `keys`. */
  readonly values: readonly string[];
  readonly seed: number;
  readonly measures: Measures;
}

export interface Comparison {
  readonly keys: readonly string[];
  /** In the order of the combinations and, within one, of the seeds: whichever ended first. */
  readonly runs: readonly ComparedRun[];
}

/** Throws IluvatarError: `invalid` before anything runs for a configuration that cannot be, and whatever the first run that fails fails with. */
export async function compare(options: ComparisonOptions): Promise<Comparison> {
  const { trace, config, variations, seeds, simulation = {}, progress } = options;
  const runs = casesOf(config, variations).flatMap(({ values, config: own, offline }) =>
    seeds.map((seed) => ({ values, run: { trace, config: own, offline, seed, simulation } satisfies ComparisonRun })),
  );
  const threads = Math.max(1, Math.min(options.threads ?? availableParallelism(), runs.length));
  const pool = new Piscina({
    ...threadFile('sim/compare/comparison'),
    minThreads: threads,
    maxThreads: threads,
  });
  let done = 0;
  const one = async (values: readonly string[], run: ComparisonRun): Promise<ComparedRun> => {
    const end = (await pool.run(run, { name: 'compareOne' })) as ComparisonEnd;
    if ('errorClass' in end) {
      const setting = variations.map(({ key }, i) => `${key}=${values[i]}`).join(' ');
      throw new IluvatarError(end.errorClass, `${setting} seed ${run.seed}: ${end.message}`, end.details);
    }
    progress?.(++done, runs.length);
    return { values, seed: run.seed, measures: end.measures };
  };
  try {
    const compared = await Promise.all(runs.map(({ values, run }) => one(values, run)));
    return { keys: variations.map(({ key }) => key), runs: compared };
  } finally {
    // Ends what still runs after a failure, too.
    await pool.destroy();
  }
}
