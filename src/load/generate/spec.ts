import { readFileSync } from 'node:fs';
import { isNode, LineCounter, parseDocument } from 'yaml';
import * as z from 'zod';
import { IluvatarError, isFunctionName, type Random, seededRandom } from '../../core/index.js';
import { ArrayTrace } from '../../traces/array-trace.js';
import type { TraceFunction } from '../../traces/trace-source.js';
import { ConstantRate } from '../arrivals/constant-rate.js';
import { OnOffRate } from '../arrivals/on-off-rate.js';
import { EvenSpacing, PoissonSpacing } from '../arrivals/spacings.js';
import type { PlannedTrace } from './generate.js';
import { type FunctionProcess, MergedArrivals, PhasedSpacing } from './merged-arrivals.js';

/** Traces out of nothing: functions, what they need, and how often they are called. */

const above0 = z.number().positive();

export const specFunctionSchema = z
  .strictObject({
    name: z.string().refine(isFunctionName, 'letters, digits, ".", "_" and "-", at most 128'),
    iatMs: above0.describe('Mean time between its arrivals; with bursts: within these. ms'),
    warmMs: above0.describe('A warm run; ms'),
    coldMs: above0.optional().describe('A cold invocation; ms. Default: as a warm one'),
    memoryMb: z.number().int().min(1).default(128).describe('MiB'),
    arrivals: z.enum(['exponential', 'fixed']).default('exponential').describe('How far apart they are'),
    onMs: above0.optional().describe('Bursts: so long at that rate, …'),
    offMs: above0.optional().describe('… so long without any; ms'),
    prewarms: z.number().int().min(0).default(0).describe('Containers made before the first arrival'),
    devices: z
      .array(z.enum(['cpu', 'gpu']))
      .min(1)
      .default(['cpu']),
  })
  .refine(({ onMs, offMs }) => (onMs === undefined) === (offMs === undefined), {
    path: ['onMs'],
    error: 'onMs and offMs belong together',
  });

const specSchema = z.strictObject({ functions: z.array(specFunctionSchema).min(1) });

export type SpecFunction = z.output<typeof specFunctionSchema>;

/** A YAML (or JSON) file `{functions: [{name, iatMs, warmMs, …}]}`. Throws `invalid` with file, line and column. */
export function readSpec(file: string): SpecFunction[] {
  let source: string;
  try {
    source = readFileSync(file, 'utf8');
  } catch (error) {
    throw new IluvatarError('invalid', `${file} cannot be read: ${(error as Error).message}`);
  }
  const lines = new LineCounter();
  const document = parseDocument(source, { lineCounter: lines, prettyErrors: false });
  const refuse = (at: number, text: string): IluvatarError => {
    const { line, col } = lines.linePos(at);
    return new IluvatarError('invalid', `${file}, line ${line}, column ${col}: ${text}`);
  };
  const [broken] = document.errors;
  if (broken !== undefined) throw refuse(broken.pos[0], broken.message);
  const checked = specSchema.safeParse(document.toJS());
  if (checked.success) return unique(checked.data.functions, file);
  const issue = checked.error.issues[0] as z.core.$ZodIssue;
  const where = issue.path.join('.');
  throw refuse(placeOf(document, issue.path), `${where === '' ? '' : `${where}: `}${issue.message}`);
}

/** Where the innermost part of `path` stands that is there. */
function placeOf(document: ReturnType<typeof parseDocument>, path: readonly PropertyKey[]): number {
  for (let depth = path.length; depth >= 0; depth--) {
    const node = depth === 0 ? document.contents : document.getIn(path.slice(0, depth), true);
    if (isNode(node) && node.range != null) return node.range[0];
  }
  return 0;
}

/** Throws `invalid` when two have one name. */
export function unique(functions: SpecFunction[], where: string): SpecFunction[] {
  const names = new Set<string>();
  for (const { name } of functions) {
    if (names.has(name)) throw new IluvatarError('invalid', `${where}: the function "${name}" is there twice`);
    names.add(name);
  }
  return functions;
}

/** Functions of a table whose mean times between arrivals are known. Throws `invalid`, naming those whose are not. */
export function specOf(functions: readonly TraceFunction[], arrivals: SpecFunction['arrivals']): SpecFunction[] {
  const unknown = functions.filter(({ meanIatUs }) => meanIatUs === null || meanIatUs === 0).map(({ name }) => name);
  if (unknown.length > 0) {
    throw new IluvatarError(
      'invalid',
      `no mean_iat says how often these are called: ${unknown.slice(0, 10).join(', ')}`,
    );
  }
  return functions.map(({ name, memoryMb, warmUs, coldUs, meanIatUs, prewarms, devices }) => ({
    name,
    iatMs: (meanIatUs as number) / 1000,
    warmMs: warmUs / 1000,
    coldMs: coldUs / 1000,
    memoryMb,
    arrivals,
    prewarms,
    devices: [...devices],
  }));
}

/** Streams of the seed that are not those of other parts of a generated trace. */
const SPEC_STREAM = 1 << 20;

/** `speed` divides all times between arrivals, but not those of bursts. */
export function planSpec(spec: readonly SpecFunction[], durationUs: number, speed: number, seed: number): PlannedTrace {
  const { functions } = new ArrayTrace(
    spec.map(({ name, memoryMb, warmMs, coldMs, prewarms, devices }) => ({
      name,
      memoryMb,
      warmUs: Math.round(warmMs * 1000),
      coldUs: Math.round((coldMs ?? warmMs) * 1000),
      prewarms,
      devices,
    })),
    [],
  );
  const processes = spec.map(({ iatMs, arrivals, onMs, offMs }, index): FunctionProcess => {
    const perSecond = (1000 * speed) / iatMs;
    const random = (): Random => seededRandom(seed, SPEC_STREAM + index);
    return {
      rate:
        onMs === undefined || offMs === undefined ? new ConstantRate(perSecond) : new OnOffRate(perSecond, onMs, offMs),
      spacing: () =>
        arrivals === 'exponential' ? new PoissonSpacing(random()) : new PhasedSpacing(new EvenSpacing(), random()()),
    };
  });
  return { functions, arrivals: new MergedArrivals(processes, durationUs), lengthUs: durationUs };
}
