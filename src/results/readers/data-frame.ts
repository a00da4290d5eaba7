import type { DataFrame } from 'nodejs-polars';
import type { LoadRow } from '../load-row.js';
import { loadTable } from '../load-row.js';
import { optional } from '../plots/render.js';
import { openResults, type Results } from './open-results.js';

/**
 * Results of a run as a data frame of polars, with the columns of docs/results.md whatever wrote them. nodejs-polars is an optional dependency of 99 MB, and loaded here. All
 * rows are in memory: `streamResults` is for runs that do not fit. Throws IluvatarError `not_found`, `invalid`, or `unavailable` without the package.
 *
 * @example
 * ```ts
 * const frame = await readResults('results/monday');
 * frame.groupBy('function').agg(pl.col('end_us').sub(pl.col('arrival_us')).mean());
 * ```
 */
export async function readResults(path: string): Promise<DataFrame> {
  const needs = 'a data frame needs the optional package nodejs-polars: npm install nodejs-polars@0.24.1';
  const { default: polars } = await optional(() => import('nodejs-polars'), needs);
  const { rows } = await openResults(path);
  const columns = loadTable.columns.map((column) => ({ column, cells: [] as (number | string | null)[] }));
  for await (const row of rows.rows()) {
    for (const { column, cells } of columns) {
      const value = column.get(row);
      const none =
        column.kind === 'integer' ? value === column.none : column.kind === 'text' && column.nullable && value === '';
      cells.push(none ? null : value);
    }
  }
  return polars.DataFrame(
    columns.map(({ column: { name, kind }, cells }) => {
      const type = kind === 'text' ? polars.Utf8 : kind === 'integer' ? polars.Int64 : polars.Float64;
      return polars.Series(name, cells, type);
    }),
  );
}

/** The rows of a run one by one, in bounded memory and without further packages; each an object of its own. Throws like `readResults`. */
export async function* streamResults(run: string | Results): AsyncGenerator<LoadRow> {
  const { rows } = typeof run === 'string' ? await openResults(run) : run;
  for await (const row of rows.rows()) yield { ...row };
}
