import { readFile } from 'node:fs/promises';
import type { InfluxSinkConfig } from '../../config/sections/metrics.js';
import { createBucket } from './influx-buckets.js';
import { influxRequest } from './influx-request.js';
import { lineOf } from './line-protocol.js';
import { FUNCTION_LOAD, type Point } from './point.js';
import { PointsRefused, type PushSink } from './sink.js';

/**
 * InfluxDB over HTTP, `/write` of version 1 or `/api/v2/write` of version 2. A bucket that the server says is not there (404)
 * is made.
 */
export class InfluxSink implements PushSink {
  readonly address: string;
  readonly #config: InfluxSinkConfig;
  #closed = false;

  constructor(config: InfluxSinkConfig) {
    this.#config = config;
    const { origin, pathname } = new URL(config.url);
    this.address = `influx+${origin}${pathname === '/' ? '' : pathname}`;
  }

  async send(points: readonly Point[], signal: AbortSignal): Promise<void> {
    const { bucket, functionsBucket } = this.#config;
    const ofFunctions = points.filter(({ measurement }) => measurement === FUNCTION_LOAD);
    const ofWorker = points.filter(({ measurement }) => measurement !== FUNCTION_LOAD);
    if (ofWorker.length > 0) await this.#write(bucket, ofWorker, signal);
    if (ofFunctions.length > 0) await this.#write(functionsBucket, ofFunctions, signal);
  }

  close(): void {
    this.#closed = true;
  }

  async #write(bucket: string, points: readonly Point[], signal: AbortSignal): Promise<void> {
    if (this.#closed) throw new Error('it is closed');
    const body = points.map(lineOf).join('');
    if (body === '') return;
    const config = await this.#withToken();
    const { api, org } = config;
    const path = api === 'v1' ? '/write' : '/api/v2/write';
    const query: Record<string, string> =
      api === 'v1' ? { db: bucket, precision: 'ms' } : { org, bucket, precision: 'ms' };
    const write = () => influxRequest(config, 'POST', path, query, signal, { text: body });
    let answer = await write();
    if (answer.status === 404 && config.create) {
      await createBucket(config, bucket, signal);
      answer = await write();
    }
    const { status, text } = answer;
    if (status >= 200 && status < 300) return;
    const message = `${this.address} answered ${status}: ${text.slice(0, 300)}`;
    // 400 = wrong or of another type than before, 413 = too large, 422 = outside what is kept: the same points will not do better.
    if (status === 400 || status === 413 || status === 422) throw new PointsRefused(message);
    throw new Error(message);
  }

  /** Read each time: whoever renews it need not tell the worker. */
  async #withToken(): Promise<InfluxSinkConfig> {
    const { tokenFile } = this.#config;
    if (tokenFile === '') return this.#config;
    return { ...this.#config, token: (await readFile(tokenFile, 'utf8')).trim() };
  }
}
