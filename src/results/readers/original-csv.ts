import { openTable } from '../../tables/batches.js';
import { blankRow, type LoadRow } from '../load-row.js';
import type { RowSource } from './row-source.js';

/** `output-*.csv` of the original's load generator: lengths of time, but not when they happened. */
export const ORIGINAL_CSV = [
  'success',
  'function_name',
  'was_cold',
  'worker_duration_us',
  'code_duration_sec',
  'e2e_duration_us',
  'tid',
];

const TRUE = new Set(['true', 'True', '1']);

export async function openOriginalCsv(file: string): Promise<RowSource> {
  const reader = await openTable(file, ['success', 'function_name', 'was_cold', 'tid']);
  return {
    kind: 'original-csv',
    file,
    timed: false,
    async *rows(): AsyncGenerator<Readonly<LoadRow>> {
      const row = blankRow();
      for await (const batch of reader.batches()) {
        const [success, name, cold, worker, code, latency, tid] = ORIGINAL_CSV.map((column) => batch.column(column));
        const number = (values: ArrayLike<unknown> | null | undefined, i: number, factor: number): number => {
          const value = values?.[i];
          return typeof value === 'number' ? Math.round(value * factor) : -1;
        };
        for (let i = 0; i < batch.rows; i++) {
          row.tid = String(tid?.[i] ?? '');
          row.fn = String(name?.[i] ?? '');
          row.outcome = TRUE.has(String(success?.[i])) ? 'ok' : 'user_error';
          row.codeCold = TRUE.has(String(cold?.[i])) ? 1 : 0;
          // The original writes what the function says of itself; its worker's word is in the JSON only.
          row.state = row.outcome === 'ok' ? (row.codeCold === 1 ? 'cold' : 'warm') : '';
          row.runUs = number(worker, i, 1);
          row.codeUs = row.outcome === 'ok' ? number(code, i, 1e6) : -1;
          row.sentUs = 0;
          row.endUs = Math.max(0, number(latency, i, 1));
          yield row;
        }
      }
    },
  };
}
