import { readFileSync, statSync } from 'node:fs';
import fc from 'fast-check';
import { parquetReadObjects } from 'hyparquet';
import { describe, expect, test } from 'vitest';
import type { InvocationRow } from '../../src/results/invocation-row.js';
import { invocationTable } from '../../src/results/invocation-row.js';
import type { SecondRow } from '../../src/results/second-row.js';
import { secondTable } from '../../src/results/second-row.js';
import { CsvSink } from '../../src/tables/csv-sink.js';
import { openSink } from '../../src/tables/open-sink.js';
import { CsvRecords } from '../../src/traces/csv-records.js';
import { refusal, TestFolder } from './support/files.js';

const folder = new TestFolder();
let files = 0;

type Cell = string | number | null;

const text = fc.oneof(
  fc.string({ unit: fc.constantFrom('a', '7', ',', '"', '\\', '\n', '\r', 'é', '→', '\t', '@') }),
  fc.constantFrom('f@1', 'warm'),
);
const whole = fc.oneof(
  fc.nat(),
  fc.maxSafeNat(),
  fc.constantFrom(0, 9, 10, 99, 100, 2 ** 31 - 1, 2 ** 31, 2 ** 32, 1e15, 2 ** 53 - 1),
);
const row: fc.Arbitrary<InvocationRow> = fc.record({
  tid: text.filter((value) => value !== ''),
  fn: text.filter((value) => value !== ''),
  arrivalUs: whole,
  queueUs: whole,
  startUs: fc.oneof(whole, fc.constant(-1)),
  endUs: whole,
  device: fc.constantFrom('cpu', 'gpu0'),
  container: fc.oneof(fc.nat(), fc.constant(0)),
  state: fc.constantFrom('cold', 'prewarm', 'warm', ''),
  attempts: fc.nat(100),
  outcome: fc.constantFrom('ok', 'timeout'),
});

/** What any format must say of a row. */
const expected = (value: InvocationRow): Record<string, Cell> => ({
  tid: value.tid,
  function: value.fn,
  arrival_us: value.arrivalUs,
  queue_us: value.queueUs,
  start_us: value.startUs === -1 ? null : value.startUs,
  end_us: value.endUs,
  device: value.device,
  container: value.container === 0 ? null : value.container,
  state: value.state === '' ? null : value.state,
  attempts: value.attempts,
  outcome: value.outcome,
});

const readers: Record<string, (file: string) => Promise<Record<string, Cell>[]>> = {
  csv: async (file) => {
    const records = new CsvRecords(file);
    records.push(readFileSync(file));
    records.end();
    const lines: string[][] = [];
    while (records.next()) lines.push(Array.from({ length: records.cells }, (_, i) => records.text(i)));
    const [head = [], ...body] = lines;
    const isText = new Set(invocationTable.columns.filter(({ kind }) => kind === 'text').map(({ name }) => name));
    return body.map((cells) =>
      Object.fromEntries(
        head.map((name, i) => [
          name,
          cells[i] === '' ? null : isText.has(name) ? (cells[i] as string) : Number(cells[i]),
        ]),
      ),
    );
  },
  jsonl: async (file) =>
    readFileSync(file, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line)),
  parquet: async (file) => {
    const bytes = readFileSync(file);
    const rows = await parquetReadObjects({
      file: bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer,
    });
    return rows.map((object) =>
      Object.fromEntries(
        Object.entries(object).map(([name, value]) => [name, typeof value === 'bigint' ? Number(value) : value]),
      ),
    );
  },
};

async function write(ending: string, rows: readonly InvocationRow[]): Promise<string> {
  const file = folder.at(`rows-${++files}.${ending}`);
  const sink = await openSink(file, invocationTable);
  // One object for all, as the simulation does it: a sink that kept it would write the last row again and again.
  const reused = {} as InvocationRow;
  for (const value of rows) sink.row(Object.assign(reused, value));
  await sink.end();
  return file;
}

describe.each(Object.keys(readers))('rows as %s', (ending) => {
  const read = readers[ending] as (file: string) => Promise<Record<string, Cell>[]>;

  test('read back as they were, and equal rows give equal bytes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(row, { maxLength: 30 }), async (rows) => {
        const file = await write(ending, rows);
        expect(await read(file)).toEqual(rows.map(expected));
        expect(readFileSync(await write(ending, rows)).equals(readFileSync(file))).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  test('more rows than any buffer or row group holds', async () => {
    const rows = Array.from(
      { length: 60_000 },
      (_, i): InvocationRow => ({
        tid: String(i + 1),
        fn: `f${i % 7}@1`,
        arrivalUs: i * 1000,
        queueUs: i % 3,
        startUs: i % 5 === 0 ? -1 : i * 1000 + 7,
        endUs: i * 1000 + 500,
        device: 'cpu',
        container: i % 11,
        state: i % 5 === 0 ? '' : 'warm',
        attempts: 1,
        outcome: 'ok',
      }),
    );
    const found = await read(await write(ending, rows));
    expect(found).toHaveLength(60_000);
    expect(
      found.every((value, i) => JSON.stringify(value) === JSON.stringify(expected(rows[i] as InvocationRow))),
    ).toBe(true);
  });

  test('no rows are an empty table', async () => {
    expect(await read(await write(ending, []))).toEqual([]);
  });
});

test('the columns are the shared ones, in their order, in all formats', async () => {
  const names = 'tid,function,arrival_us,queue_us,start_us,end_us,device,container,state,attempts,outcome';
  const value = fc.sample(row, { numRuns: 1, seed: 1 })[0] as InvocationRow;
  expect(readFileSync(await write('csv', []), 'utf8')).toBe(`${names}\n`);
  for (const ending of ['jsonl', 'parquet']) {
    const [found] = await (readers[ending] as (file: string) => Promise<object[]>)(await write(ending, [value]));
    expect(Object.keys(found as object).join(',')).toBe(names);
  }
});

test('the series has fractions of slots, and the CPU queue without the GPU queue', async () => {
  const second: SecondRow = {
    second: 3,
    runningMb: 1024,
    cachedMb: 512,
    runningContainers: 4,
    cachedContainers: 2,
    queued: 9,
    queuedGpu: 2,
    running: 3,
    starting: 1,
    busySlots: 3.5,
    powerMw: 61_500,
  };
  const csv = folder.at('series.csv');
  const parquet = folder.at('series.parquet');
  for (const file of [csv, parquet]) {
    const sink = await openSink(file, secondTable);
    sink.row(second);
    await sink.end();
  }
  expect(readFileSync(csv, 'utf8')).toBe(
    `${secondTable.columns.map(({ name }) => name).join(',')}\n3,1024,512,7,2,3.5,4,2,3,1,61500\n`,
  );
  expect(await readers['parquet']?.(parquet)).toEqual([
    expect.objectContaining({ second: 3, queue_cpu: 7, queue_gpu: 2, busy_slots: 3.5 }),
  ]);
});

test('memory stays bounded: what was written is in the file before the end', async () => {
  const file = folder.at('flowing.csv');
  const sink = new CsvSink<{ value: number }>(file, {
    name: 'values',
    version: 1,
    columns: [{ kind: 'integer', name: 'value', unit: 'number', meaning: '', none: null, get: ({ value }) => value }],
  });
  for (let value = 0; value < 200_000; value++) sink.row({ value });
  expect(statSync(file).size).toBeGreaterThan(1_000_000);
  await sink.end();
});

test('other names and folders that are not there are refused', async () => {
  expect(await refusal(() => openSink(folder.at('rows.txt'), invocationTable))).toContain('.csv, .jsonl or .parquet');
  for (const ending of Object.keys(readers)) {
    expect(await refusal(() => openSink(folder.at(`nowhere/rows.${ending}`), invocationTable))).toContain('nowhere');
  }
});
