import type { FuzzCase } from './fuzz-case.js';
import { generateCase } from './generate.js';
import { type FuzzFailure, type FuzzOptions, runCase } from './run-case.js';
import { shrinkCase } from './shrink.js';

export interface FailingSeed {
  readonly seed: number;
  readonly failure: FuzzFailure;
  /** The same failure with as little as possible, and how that one fails. */
  readonly small: FuzzCase;
  readonly smallFailure: FuzzFailure;
  /** Plays again what failed. */
  readonly command: string;
}

/** Tries one seed: null = nothing is wrong. A failure is made small before it is returned. */
export function fuzzSeed(seed: number, invocations: number, options: FuzzOptions = {}): FailingSeed | null {
  const fuzzCase = generateCase(seed, invocations);
  const failure = runCase(fuzzCase, options);
  if (failure === null) return null;
  const { small } = shrinkCase(fuzzCase, (candidate) => runCase(candidate, options)?.kind === failure.kind);
  const smallFailure = runCase(small, options) ?? failure;
  const command = `iluvatar sim fuzz --seed ${seed} --seeds 1 --invocations ${invocations}`;
  return { seed, failure, small, smallFailure, command };
}
