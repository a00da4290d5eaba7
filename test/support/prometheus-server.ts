import { fileURLToPath } from 'node:url';
import { freePort } from './free-port.js';
import { getsAnswer, MetricServer } from './metric-server.js';

const RULES = fileURLToPath(new URL('../../etc/prometheus/', import.meta.url));

/** A Prometheus that reads the given addresses every second, with the rules that are shipped. */
export class PrometheusServer extends MetricServer {
  readonly #targets: readonly string[];
  #port = 0;

  constructor(targets: readonly string[]) {
    super();
    this.#targets = targets;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** The result of an instant query. */
  async query(query: string): Promise<{ metric: Record<string, string>; value: [number, string] }[]> {
    const response = await fetch(`${this.url}/api/v1/query?${new URLSearchParams({ query })}`);
    const body = (await response.json()) as { status: string; error?: string; data: { result: [] } };
    if (body.status !== 'success') throw new Error(`${query}: ${body.error}`);
    return body.data.result;
  }

  protected async launch(): Promise<void> {
    this.#port ||= await freePort();
    const config = JSON.stringify({
      global: { scrape_interval: '1s', evaluation_interval: '1s' },
      rule_files: [`${RULES}rules.yml`, `${RULES}alerts.yml`],
      scrape_configs: [{ job_name: 'iluvatar', static_configs: [{ targets: this.#targets }] }],
    });
    const args = [
      `--config.file=${this.file('prometheus.yml', config)}`,
      `--storage.tsdb.path=${this.path('data')}`,
      `--web.listen-address=127.0.0.1:${this.#port}`,
    ];
    await this.run('prometheus', args, () => getsAnswer(`${this.url}/-/ready`));
  }
}
