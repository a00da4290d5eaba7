import { IluvatarError } from '../../core/index.js';
import type { Results } from '../readers/open-results.js';
import { TimeBins } from '../time-bins.js';

/**
 * A run as blocks of consecutive invocations: what is drawn again and again by the bootstrap. Invocations of one run are not independent: a queue that builds up, a burst of
 * cold starts, a neighbour on the machine make many of them slow at once. Drawing them one by one would take each for news of its own, and give intervals that are far too narrow;
 * within a block what belongs together stays together (Carlstein 1986, "The use of subseries values for estimating the variance of a general statistic from a stationary
 * sequence", Annals of Statistics 14; Künsch 1989).
 */
export interface Blocks {
  readonly name: string;
  /** Of each; µs, or rows where it is not known when they happened. */
  readonly width: number;
  readonly timed: boolean;
  /** Values of latency that occur at all, ascending; µs. */
  readonly values: readonly number[];
  /** One for each block. */
  readonly blocks: readonly Block[];
  /** How alike the mean latencies of neighbouring blocks are, −1 … 1 (correlation at lag 1); null = too few to say. */
  readonly correlation: number | null;
}

export interface Block {
  /** How much of a block's length it covers: less at the ends of a run; µs, or rows. */
  readonly span: number;
  readonly invocations: number;
  readonly ok: number;
  readonly stated: number;
  readonly cold: number;
  /** Latencies: places in `values`, with the count of each. */
  readonly places: Int32Array;
  readonly counts: Float64Array;
  readonly latencySum: number;
}

export interface BlockOptions {
  /** µs; by itself a fortieth of the run. */
  readonly blockUs?: number;
}

/** So many, and at most twice as many, unless another length is asked for. */
const BLOCKS = 40;
const MOST_BLOCKS = 2000;
/** Fewer pairs of neighbours tell nothing of how alike they are. */
const CORRELATED_FROM = 8;

/** Reads a run in bounded memory. Throws IluvatarError `invalid` for one without invocations. */
export async function blocksOf(results: Results, { blockUs }: BlockOptions = {}): Promise<Blocks> {
  const { timed } = results.rows;
  const fixed = timed && blockUs !== undefined;
  const bins = new TimeBins(fixed ? MOST_BLOCKS : 2 * BLOCKS, { timed, ...(fixed ? { widthUs: blockUs } : {}) });
  for await (const row of results.rows.rows()) bins.add(row);
  const all = bins.bins();
  if (all.length === 0) throw new IluvatarError('invalid', `${results.path} has no invocations to compare`);
  const values = [...new Set(all.flatMap(({ bin }) => bin.latency.steps().map(({ value }) => value)))].sort(
    (a, b) => a - b,
  );
  const places = new Map(values.map((value, i) => [value, i]));
  const means: number[] = [];
  const blocks = all.map(({ beginUs, endUs, bin: { counts, latency } }): Block => {
    const steps = latency.steps();
    if (latency.count > 0) means.push(latency.mean);
    return {
      span: endUs - beginUs,
      invocations: counts.invocations,
      ok: counts.ok,
      stated: counts.stated,
      cold: counts.cold,
      places: Int32Array.from(steps, ({ value }) => places.get(value) as number),
      counts: Float64Array.from(steps, ({ upTo }, i) => upTo - (steps[i - 1]?.upTo ?? 0)),
      latencySum: latency.sum,
    };
  });
  return { name: results.name, width: bins.widthUs, timed, values, blocks, correlation: correlationOf(means) };
}

function correlationOf(means: readonly number[]): number | null {
  if (means.length < CORRELATED_FROM) return null;
  const mean = means.reduce((sum, value) => sum + value, 0) / means.length;
  let [together, apart] = [0, 0];
  for (const [i, value] of means.entries()) {
    apart += (value - mean) ** 2;
    if (i > 0) together += (value - mean) * ((means[i - 1] as number) - mean);
  }
  return apart === 0 ? 0 : together / apart;
}
