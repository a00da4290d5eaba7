import { mkdirSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AzureTrace } from '../../src/traces/azure-trace.js';
import { openTrace } from '../../src/traces/open-trace.js';
import { arrivalsOf, refusal, TestFolder } from './support/files.js';

const folder = new TestFolder();
const MINUTES = 1440;
const MINUTE_US = 60_000_000;
let folders = 0;

/** Counts by function (`app/function`) and minute (from 0). */
type Counts = Readonly<Record<string, Readonly<Record<number, number>>>>;

interface Shape {
  /** Null = there is no file of that day. */
  readonly days: readonly (Counts | null)[];
  readonly durations?: string;
  readonly memory?: string;
  readonly packed?: boolean;
}

const DURATIONS = [
  'HashOwner,HashApp,HashFunction,Average,Count,Minimum,Maximum,percentile_Average_0',
  'o,A,f,100,5,1,900,1',
  'o,A,g,50.5,5,1,700,1',
  'o,B,f,10,5,1,20,1',
  'o,C,f,10,5,1,20,1',
].join('\n');
const MEMORY = 'HashOwner,HashApp,SampleCount,AverageAllocatedMb,AverageAllocatedMb_pct1\no,A,1,101,1\no,B,1,30,1\n';

function write({ days, durations = DURATIONS, memory = MEMORY, packed = false }: Shape): string {
  const name = `azure-${++folders}`;
  mkdirSync(folder.at(name));
  const head = ['HashOwner,HashApp,HashFunction,Trigger', ...Array.from({ length: MINUTES }, (_, i) => i + 1)].join(
    ',',
  );
  for (const [i, counts] of days.entries()) {
    if (counts === null) continue;
    const rows = Object.entries(counts).map(([key, perMinute]) =>
      [`o,${key.replace('/', ',')},http`, ...Array.from({ length: MINUTES }, (_, m) => perMinute[m] ?? 0)].join(','),
    );
    const text = `${head}\n${rows.join('\n')}\n`;
    const file = `${name}/invocations_per_function_md.anon.d0${i + 1}.csv`;
    if (packed) folder.write(`${file}.gz`, gzipSync(text));
    else folder.write(file, text);
  }
  folder.write(`${name}/function_durations_percentiles.anon.d01.csv`, durations);
  folder.write(`${name}/app_memory_percentiles.anon.d01.csv`, memory);
  return folder.at(name);
}

const perMinute = (arrivals: readonly [number, string][]): Record<string, Record<number, number>> => {
  const counts: Record<string, Record<number, number>> = {};
  for (const [us, name] of arrivals) {
    const minute = Math.floor(us / MINUTE_US);
    const of = counts[name] ?? {};
    of[minute] = (of[minute] ?? 0) + 1;
    counts[name] = of;
  }
  return counts;
};

describe('the Azure layout', () => {
  test('functions are joined from the three files; what one of them does not know is left out', async () => {
    const path = write({
      days: [{ 'A/f': { 0: 1 }, 'A/g': { 0: 1 }, 'B/f': { 1: 1 }, 'C/f': { 0: 1 }, 'A/x': { 0: 1 } }],
    });
    const source = await AzureTrace.open(path, { seed: 1, spread: 'uniform' });
    // Three functions of A are called: each has a third of its memory, though one of them is not known otherwise.
    expect(source.functions).toEqual([
      expect.objectContaining({ name: 'A-f', memoryMb: 34, warmUs: 100_000, coldUs: 900_000 }),
      expect.objectContaining({ name: 'A-g', memoryMb: 34, warmUs: 50_500, coldUs: 700_000 }),
      expect.objectContaining({ name: 'B-f', memoryMb: 30, warmUs: 10_000, coldUs: 20_000 }),
    ]);
    expect(source.leftOut).toBe(2);
    expect((await arrivalsOf(source)).map(([, name]) => name).sort()).toEqual(['A-f', 'A-g', 'B-f']);
  });

  test('counts become that many arrivals of that minute, in order, over several days', async () => {
    const counts = fc.dictionary(
      fc.constantFrom('A/f', 'A/g', 'B/f'),
      fc.dictionary(fc.constantFrom('0', '1', '700', '1439'), fc.integer({ min: 1, max: 40 })),
      { minKeys: 1 },
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(counts, { minLength: 1, maxLength: 2 }),
        fc.integer(),
        fc.boolean(),
        async (days, seed, even) => {
          const path = write({ days: days as unknown as Counts[] });
          const source = await openTrace({ trace: path, seed, spread: even ? 'even' : 'uniform' });
          const arrivals = await arrivalsOf(source);
          const expected: Record<string, Record<number, number>> = {};
          for (const [day, of] of days.entries()) {
            for (const [key, minutes] of Object.entries(of)) {
              for (const [minute, count] of Object.entries(minutes)) {
                const name = key.replace('/', '-');
                expected[name] ??= {};
                (expected[name] as Record<number, number>)[day * MINUTES + Number(minute)] = count;
              }
            }
          }
          expect(perMinute(arrivals)).toEqual(expected);
          expect(
            arrivals.every(([us], i) => Number.isInteger(us) && (i === 0 || us >= (arrivals[i - 1]?.[0] as number))),
          ).toBe(true);
          expect(await arrivalsOf(source)).toEqual(arrivals);
        },
      ),
      { numRuns: 15 },
    );
  });

  test('even = equal distances within the minute; uniform = not; another seed, other times', async () => {
    const path = write({ days: [{ 'A/f': { 3: 60 } }], packed: true });
    const times = async (seed: number, spread: 'even' | 'uniform') =>
      (await arrivalsOf(await openTrace({ trace: path, seed, spread }))).map(([us]) => us);
    const gaps = (values: number[]): number[] => values.slice(1).map((value, i) => value - (values[i] as number));
    expect(gaps(await times(1, 'even')).every((gap) => Math.abs(gap - 1e6) <= 1)).toBe(true);
    expect(new Set(gaps(await times(1, 'uniform'))).size).toBeGreaterThan(50);
    expect(await times(1, 'uniform')).not.toEqual(await times(2, 'uniform'));
  });

  test('a day may be missing, and the first need not be day 1', async () => {
    const path = write({ days: [null, { 'A/f': { 0: 1 } }, null, { 'A/f': { 2: 1 } }] });
    const minutes = (await arrivalsOf(await openTrace({ trace: path }))).map(([us]) => Math.floor(us / MINUTE_US));
    expect(minutes).toEqual([0, 2 * MINUTES + 2]);
  });

  test.each([
    [
      'a count that is none',
      { days: [{ 'A/f': { 5: -3 } }] },
      /invocations.*d01\.csv, line 2, column 10: "-3" is not a number of invocations/,
    ],
    ['a fraction', { days: [{ 'A/f': { 0: 1.5 } }] }, /line 2, column 5: "1.5" is not a number of invocations/],
    [
      'a bad duration',
      { days: [{ 'A/f': {} }], durations: 'HashOwner,HashApp,HashFunction,Average,Maximum\no,A,f,x,1\n' },
      /durations.*line 2, column 4: "x" is not an amount of ms/,
    ],
    [
      'bad memory',
      { days: [{ 'A/f': {} }], memory: 'HashOwner,HashApp,AverageAllocatedMb\no,A,-1\n' },
      /memory.*line 2, column 3: "-1" is not an amount of MiB/,
    ],
    [
      'a missing column',
      { days: [{ 'A/f': {} }], memory: 'HashOwner,HashApp\no,A\n' },
      /memory.*line 1, column 3: there is no column "AverageAllocatedMb"/,
    ],
    ['nothing that fits together', { days: [{ 'X/y': { 0: 1 } }] }, /of no function that is called are known/],
  ] as [string, Shape, RegExp][])('%s is refused', async (_, shape, message) => {
    expect(await refusal(() => openTrace({ trace: write(shape) }))).toMatch(message);
  });

  test('an empty folder is refused with what it lacks', async () => {
    mkdirSync(folder.at('empty'));
    expect(await refusal(() => openTrace({ trace: folder.at('empty') }))).toContain(
      'has no invocations_per_function_md',
    );
  });
});
