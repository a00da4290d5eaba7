import type { Command } from 'commander';
import type { TraceOptions } from '../../traces/open-trace.js';
import { UsageError } from '../exit-codes.js';
import { parseDuration, parseInteger, parseMemory, parseNumber } from '../parse.js';

/** The options that every simulation of a trace has: the trace, and the machine. */

export const SPREADS = ['uniform', 'even'] as const;

export interface TraceFlags {
  trace: string;
  functions?: string;
  benchmark?: string;
  repeat: number;
  prewarms: number;
  maxPrewarms: number;
  spread: string;
}

export interface MachineFlags {
  sigma?: number;
  cores?: number;
  machineMemory?: number;
  timeout?: number;
}

export function addTraceOptions(command: Command): Command {
  return addReplayOptions(
    command
      .requiredOption('--trace <file>', 'arrivals: a CSV, or a folder in the layout of the Azure trace of 2019')
      .option('--functions <file>', 'the functions of a CSV trace')
      .option('--benchmark <file>', 'benchmark results: times of functions for which the CSV gives none'),
  );
}

/** How a trace is played, simulated or live. */
export function addReplayOptions(command: Command): Command {
  return command
    .option('--repeat <count>', 'play the trace so often, one after the other', parseInteger, 1)
    .option('--prewarms <count>', 'most containers per function made before the first arrival', parseInteger, 0)
    .option(
      '--max-prewarms <count>',
      'the same, for functions whose mean time between arrivals is known',
      parseInteger,
      5,
    )
    .option('--spread <name>', `of an Azure trace, within a minute: ${SPREADS.join(', ')}`, 'uniform');
}

/** `models`: the time models that are offered. */
export function addMachineOptions(command: Command, models: readonly string[]): Command {
  return command
    .option('--time-model <name>', `how long things take: ${models.join(', ')}`, 'constant')
    .option('--sigma <number>', 'of log-normal: standard deviation of the logarithm (default: 0.25)', parseNumber)
    .option('--cores <count>', 'of the machine, for cpu.slots=0 (default: 12)', parseInteger)
    .option('--machine-memory <amount>', 'of the machine, for memory.budgetMb=0 (default: 20g)', parseMemory)
    .option('--timeout <duration>', 'from arrival to answer (default: 60s)', parseDuration);
}

export function traceOptions(flags: TraceFlags, seed: number): TraceOptions {
  const { trace, functions, benchmark, repeat, prewarms, maxPrewarms } = flags;
  const spread = choice('--spread', SPREADS, flags.spread);
  return { trace, functions, benchmark, repeat, prewarms, maxPrewarms, seed, spread };
}

export function choice<Name extends string>(option: string, names: readonly Name[], text: string): Name {
  const found = names.find((name) => name === text);
  if (found === undefined) throw new UsageError(`${option} must be one of ${names.join(', ')}, not "${text}"`);
  return found;
}
