import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { type Device, type DeviceTimings, functionKey, IluvatarError } from '../core/index.js';
import { readCsv } from '../traces/csv-records.js';
import type { TraceFunction } from '../traces/trace-source.js';
import { MeasuredTimes } from './time-model.js';

/** Columns of the result rows that durations are taken from. */
const COLUMNS = ['function', 'arrival_us', 'queue_us', 'start_us', 'end_us', 'device', 'state', 'outcome'] as const;

interface Lists {
  readonly warmRunUs: number[];
  readonly coldRunUs: number[];
  readonly warmTotalUs: number[];
  readonly coldTotalUs: number[];
}

/**
 * Durations from the rows of a run, CSV or JSONL, in the columns that `sim run` itself writes: what was measured live is what is drawn from. Only runs that
 * succeeded count. A function of which there is no row keeps the times of its trace.
 */
export async function readMeasuredRuns(file: string, seed: number): Promise<MeasuredTimes> {
  const runs = new Map<string, Lists>();
  if (file.endsWith('.jsonl')) await readJsonl(file, runs);
  else await readRows(file, runs);
  if (runs.size === 0) throw new IluvatarError('invalid', `${file} has no run that succeeded`);
  const timings = (fn: TraceFunction, device: Device): DeviceTimings | null =>
    runs.get(`${functionKey(fn.name, fn.version)} ${device}`) ?? null;
  return new MeasuredTimes(timings, seed);
}

async function readRows(file: string, runs: Map<string, Lists>): Promise<void> {
  for await (const { records, columns } of readCsv(file, COLUMNS)) {
    while (records.next()) {
      const text = (column: number): string => records.text(columns[column] as number);
      if (text(7) !== 'ok') continue;
      const number = (column: number): number => records.number(columns[column] as number);
      add(runs, text(0), text(5), text(6), number(1) + number(2), number(3), number(4));
    }
  }
}

async function readJsonl(file: string, runs: Map<string, Lists>): Promise<void> {
  let line = 0;
  try {
    for await (const text of createInterface({ input: createReadStream(file) })) {
      line++;
      if (text.trim() === '') continue;
      const row = JSON.parse(text) as Record<string, unknown>;
      const missing = COLUMNS.filter((name) => row[name] === undefined);
      if (missing.length > 0) throw new Error(`there is no ${missing.join(', ')}`);
      if (row['outcome'] !== 'ok') continue;
      const [arrival, queue, start, end] = ['arrival_us', 'queue_us', 'start_us', 'end_us'].map((name) => {
        if (!Number.isFinite(row[name])) throw new Error(`${name} is not a number: ${JSON.stringify(row[name])}`);
        return row[name] as number;
      }) as [number, number, number, number];
      add(runs, String(row['function']), String(row['device']), String(row['state']), arrival + queue, start, end);
    }
  } catch (error) {
    throw new IluvatarError('invalid', `${file}, line ${line}: ${(error as Error).message}`);
  }
}

function add(
  runs: Map<string, Lists>,
  fn: string,
  device: string,
  state: string,
  dispatchedAt: number,
  startedAt: number,
  endedAt: number,
): void {
  const key = `${fn} ${device.startsWith('gpu') ? 'gpu' : 'cpu'}`;
  let lists = runs.get(key);
  if (lists === undefined) {
    lists = { warmRunUs: [], coldRunUs: [], warmTotalUs: [], coldTotalUs: [] };
    runs.set(key, lists);
  }
  const cold = state === 'cold';
  (cold ? lists.coldRunUs : lists.warmRunUs).push(Math.max(0, endedAt - startedAt));
  (cold ? lists.coldTotalUs : lists.warmTotalUs).push(Math.max(0, endedAt - dispatchedAt));
}
