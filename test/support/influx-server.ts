import { freePort } from './free-port.js';
import { getsAnswer, MetricServer } from './metric-server.js';

/** An InfluxDB 1 without authentication. */
export class InfluxServer extends MetricServer {
  #port = 0;
  #backupPort = 0;

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Rows of an InfluxQL query, by column. */
  async query(q: string, db = ''): Promise<Record<string, unknown>[]> {
    const response = await fetch(`${this.url}/query?${new URLSearchParams({ q, db, epoch: 'ms' })}`, {
      method: 'POST',
    });
    const body = (await response.json()) as {
      results: { error?: string; series?: { columns: string[]; values: unknown[][] }[] }[];
    };
    const { error, series = [] } = body.results[0] ?? {};
    if (error !== undefined) throw new Error(`${q}: ${error}`);
    return series.flatMap(({ columns, values }) =>
      values.map((row) => Object.fromEntries(columns.map((column, i) => [column, row[i]]))),
    );
  }

  protected async launch(): Promise<void> {
    this.#port ||= await freePort();
    this.#backupPort ||= await freePort();
    const config = `
reporting-disabled = true
bind-address = "127.0.0.1:${this.#backupPort}"
[meta]
  dir = "${this.path('meta')}"
[data]
  dir = "${this.path('data')}"
  wal-dir = "${this.path('wal')}"
[monitor]
  store-enabled = false
[http]
  bind-address = "127.0.0.1:${this.#port}"
`;
    await this.run('influxd', ['run', '-config', this.file('influxdb.conf', config)], () =>
      getsAnswer(`${this.url}/ping`),
    );
  }
}
