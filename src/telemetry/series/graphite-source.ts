import { IluvatarError } from '../../core/index.js';
import { httpDateOffset, reach } from './clock-offset.js';
import {
  type ClockOffset,
  type FetchedSeries,
  type Selection,
  type SeriesSource,
  type Window,
  within,
} from './series-source.js';

interface Rendered {
  readonly target: string;
  readonly datapoints: readonly (readonly [value: number | null, seconds: number])[];
}

/**
 * Graphite's render API. A point of it stands for the interval that begins at its time. What workers of ours push is named `<prefix>.<worker>.<measurement>.<field>`; of other targets it is not known which
 * worker they are of.
 */
export class GraphiteSource implements SeriesSource {
  readonly kind = 'graphite';
  readonly stampedBy = 'worker';
  readonly address: string;
  readonly #url: string;
  readonly #prefix: string;

  /** `url`: of the web application. */
  constructor(url: string, prefix: string) {
    this.#url = url.replace(/\/$/, '');
    this.#prefix = prefix;
    this.address = `graphite ${this.#url}`;
  }

  clockOffset(signal: AbortSignal): Promise<ClockOffset> {
    return httpDateOffset(`${this.#url}/render?format=json`, signal);
  }

  async fetch(window: Window, { series }: Selection, signal: AbortSignal): Promise<FetchedSeries[]> {
    const head = this.#prefix === '' ? '' : `${this.#prefix}.`;
    const targets = series.length > 0 ? series : [`${head}*.worker_load.*`, `${head}*.worker_state.*`];
    const form = new URLSearchParams({ format: 'json', noNullPoints: 'true' });
    for (const target of targets) form.append('target', target);
    // `from` itself is not in what it answers.
    form.append('from', String(Math.floor(window.beginMs / 1000) - 1));
    form.append('until', String(Math.ceil(window.endMs / 1000)));
    const response = await reach(`${this.#url}/render`, signal, { method: 'POST', body: form });
    const text = await response.text();
    if (!response.ok) throw this.#refused(response.status, text);
    return (JSON.parse(text) as Rendered[]).flatMap(({ target, datapoints }) => {
      const known = datapoints.flatMap(([value, seconds]) =>
        value === null ? [] : [{ timeMs: seconds * 1000, value }],
      );
      const points = within(known, window);
      return points.length === 0 ? [] : [{ ...this.#named(target), points }];
    });
  }

  #named(target: string): Pick<FetchedSeries, 'series' | 'worker'> {
    const head = this.#prefix === '' ? '' : `${this.#prefix}.`;
    const [, worker, series] = target.startsWith(head)
      ? (/^([^.()]+)\.([^()]+)$/.exec(target.slice(head.length)) ?? [])
      : [];
    return worker === undefined || series === undefined ? { series: target, worker: '' } : { series, worker };
  }

  #refused(status: number, text: string): IluvatarError {
    // What is wrong with a target is told as plain text, everything else as a page.
    const why = text.trimStart().startsWith('<') ? '' : `: ${text.trim().slice(0, 300)}`;
    return new IluvatarError(status === 400 ? 'invalid' : 'unavailable', `${this.address} answered ${status}${why}`);
  }
}
