import { mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DESCRIPTION_FILE } from '../../backends/simulated/description.js';
import type { FunctionDefinitionInput } from '../../config/api.js';
import { IluvatarError } from '../../core/errors.js';
import { givenTimingsOf } from '../../core/index.js';
import { PACKAGE_ROOT } from '../../package-files.js';
import type { TraceFunction } from '../../traces/trace-source.js';
import type { LoadedFunction } from '../drivers/calls.js';
import { lookbusyArguments, lookbusyDefinition } from '../lookbusy.js';
import type { PreparedFunction } from '../prepare.js';
import type { LoadType } from './load-types.js';
import { backendsOf, serverOf } from './original-names.js';

/** What runs in the place of the functions of a trace. */

export interface TraceFunctionOptions {
  readonly type: LoadType;
  /** Functions exist in time only: the target has the simulated backend. */
  readonly simulated: boolean;
  /** Of lookbusy: share of its time in which a function is busy, 0 … 1; it sleeps in the rest. */
  readonly busy: number;
  /** Of lookbusy: whether it holds the memory that it has. */
  readonly holdsMemory: boolean;
  /** From enqueueing to the answer; ms. */
  readonly timeoutMs: number;
  /** Where the sources of real functions are. */
  readonly functionsFolder: string;
  /** For what is written to be registered; it must stay until then. */
  readonly temporaryFolder: string;
  /** What lookbusy's container needs besides what the function holds; MiB. */
  readonly overheadMb: number;
}

export interface LoadFunctions {
  readonly prepared: readonly PreparedFunction[];
  /** In the same order. */
  readonly loaded: readonly LoadedFunction[];
}

/** The real functions that come with the package. */
export const SAMPLE_FUNCTIONS = join(PACKAGE_ROOT, 'functions');
/** What a container takes to start beyond what the trace says, at most; ms. */
const STARTUP_MARGIN_MS = 60_000;
const LONGEST_STARTUP_MS = 3_600_000;

/** Throws IluvatarError `invalid` for a function for which there is nothing to run. */
export function loadFunctionsOf(functions: readonly TraceFunction[], options: TraceFunctionOptions): LoadFunctions {
  const made = functions.map((fn) => functionOf(fn, options));
  return {
    prepared: made.map(({ definition }, i) => ({
      definition,
      archive: null,
      prewarms: (functions[i] as TraceFunction).prewarms,
    })),
    loaded: made.map(({ args }, i) => {
      const { name, version } = functions[i] as TraceFunction;
      return { name, version, args, timeoutMs: 0 };
    }),
  };
}

interface Made {
  readonly definition: FunctionDefinitionInput;
  /** JSON text. */
  readonly args: string;
}

function functionOf(fn: TraceFunction, options: TraceFunctionOptions): Made {
  if (options.simulated) return simulated(fn, options);
  const { live } = fn;
  if (options.type === 'lookbusy' || live?.lookbusy === true) return lookbusy(fn, options);
  if (live?.image != null) return ofImage(fn, live.image, options);
  return ofSource(fn, options);
}

function common({ name, version, memoryMb, devices, timings, coldUs, warmUs }: TraceFunction, timeoutMs: number) {
  const startupMs = Math.ceil(Math.max(0, coldUs - warmUs) / 1000) + STARTUP_MARGIN_MS;
  return {
    name,
    version,
    memoryMb,
    devices: [...devices],
    timeoutMs,
    startupTimeoutMs: Math.min(LONGEST_STARTUP_MS, startupMs),
    ...(timings === null ? {} : { timings: givenTimingsOf(timings) }),
  };
}

/** Making its container takes what a cold invocation takes beyond a warm one, and each run its warm time: what a simulation of the trace does. */
function lookbusy(fn: TraceFunction, { timeoutMs, busy, holdsMemory, overheadMb }: TraceFunctionOptions): Made {
  const { name, version, memoryMb, warmUs, coldUs } = fn;
  const initMs = Math.round(Math.max(0, coldUs - warmUs) / 1000);
  const definition = lookbusyDefinition({ name, version, memoryMb, timeoutMs, initMs });
  const warmMs = warmUs / 1000;
  const held = holdsMemory ? Math.max(0, memoryMb - overheadMb) : 0;
  return {
    definition: { ...definition, ...common(fn, timeoutMs) },
    args: lookbusyArguments({ coldMs: warmMs, warmMs, busy, memoryMb: held }),
  };
}

function simulated(fn: TraceFunction, { timeoutMs, temporaryFolder }: TraceFunctionOptions): Made {
  const source = join(temporaryFolder, `${fn.name}@${fn.version}`);
  mkdirSync(source, { recursive: true });
  const { warmUs, coldUs, gpuWarmUs, gpuColdUs } = fn;
  const of = (cpu: number, gpu: number | null): unknown => ({ cpu, gpu: gpu ?? cpu });
  const create = Math.max(0, coldUs - warmUs);
  const description = {
    create: of(create, gpuColdUs === null ? null : Math.max(0, gpuColdUs - (gpuWarmUs ?? warmUs))),
    run: of(warmUs, gpuWarmUs),
  };
  writeFileSync(join(source, DESCRIPTION_FILE), JSON.stringify(description));
  return { definition: { ...common(fn, timeoutMs), source }, args: fn.live?.args ?? '{}' };
}

function ofImage(fn: TraceFunction, image: string, { timeoutMs }: TraceFunctionOptions): Made {
  const { isolation = '', server = '', args = '{}' } = fn.live ?? {};
  const backends = backendsOf(isolation) ?? [];
  return {
    definition: {
      ...common(fn, timeoutMs),
      image,
      server: serverOf(server) ?? 'http',
      ...(backends.length === 0 ? {} : { backends: [...backends] }),
    },
    args,
  };
}

function ofSource(fn: TraceFunction, { timeoutMs, functionsFolder }: TraceFunctionOptions): Made {
  const { chosen = null, args = '{}' } = fn.live ?? {};
  for (const name of [chosen, fn.name]) {
    if (name === null) continue;
    const source = join(functionsFolder, name);
    if (isFolder(source)) return { definition: { ...common(fn, timeoutMs), source }, args };
  }
  const there = foldersIn(functionsFolder);
  const why = chosen === null ? 'no benchmark stands for it (--function-data)' : `"${chosen}" stands for it`;
  throw new IluvatarError(
    'invalid',
    `there is nothing to run for the function "${fn.name}": ${why}, and ${functionsFolder} has only ${there.join(', ')}; --load-type lookbusy runs synthetic load`,
  );
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

function foldersIn(folder: string): string[] {
  if (!isFolder(folder)) throw new IluvatarError('invalid', `${folder} is not a folder of functions`);
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .sort();
}
