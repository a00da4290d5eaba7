import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cachedBuild } from '../../../support/build-cache.js';
import { command } from '../../../support/command.js';
import { freePort } from '../../../support/free-port.js';
import { goToolchain } from '../../../support/toolchain.js';

/**
 * A collector of OpenTelemetry, made from its own modules (test/telemetry/tracing/collector): OTLP over HTTP in, a line of JSON for each request out. It is built once for
 * each content, which takes a minute.
 */

const SOURCE = fileURLToPath(new URL('../collector', import.meta.url));
const FILES = ['main.go', 'go.mod', 'go.sum'].map((file) => join(SOURCE, file));

/** Path of the program: out of the cache (`ILUVATAR_CLIENTS_CACHE`), or built now. Throws when there is no Go. */
export async function buildCollector(): Promise<string> {
  const go = goToolchain();
  if (go === null) throw new Error('the collector is built with Go');
  const build = async (into: string): Promise<void> => {
    const args = [
      'build',
      '-C',
      SOURCE,
      '-trimpath',
      '-buildvcs=false',
      // Made for a handful of requests: time to build is what counts.
      '-gcflags=all=-N -l',
      '-ldflags=-s -w',
      '-o',
      join(into, 'collector'),
    ];
    await command(go.program, [...args, '.'], { GOFLAGS: '-mod=readonly', CGO_ENABLED: '0' });
  };
  const folder = await cachedBuild({ kind: 'clients', files: FILES, facts: ['collector', go.version], build });
  return join(folder, 'collector');
}

/** An attribute as JSON of protocol buffers has it: 64-bit integers are text. */
export interface JsonAttribute {
  readonly key: string;
  readonly value: { readonly stringValue?: string; readonly boolValue?: boolean; readonly intValue?: string };
}

export interface JsonSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly traceState?: string;
  readonly flags?: number;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes?: readonly JsonAttribute[];
  readonly events?: readonly { readonly name: string; readonly attributes?: readonly JsonAttribute[] }[];
  readonly status: { readonly code?: number; readonly message?: string };
}

export interface JsonResourceSpans {
  readonly resource: { readonly attributes: readonly JsonAttribute[] };
  readonly scopeSpans: readonly {
    readonly scope: { readonly name: string; readonly version: string };
    readonly spans: readonly JsonSpan[];
  }[];
}

export class Collector implements AsyncDisposable {
  readonly endpoint: string;
  readonly #folder: string;
  readonly #process: ChildProcess;
  readonly #exited: Promise<void>;
  readonly #ready: Promise<true>;
  #errors = '';

  private constructor(program: string, folder: string, port: number) {
    this.#folder = folder;
    this.endpoint = `http://127.0.0.1:${port}/v1/traces`;
    const config = {
      receivers: { otlp: { protocols: { http: { endpoint: `127.0.0.1:${port}` } } } },
      exporters: { file: { path: join(folder, 'spans.jsonl'), flush_interval: '10ms' } },
      service: {
        pipelines: { traces: { receivers: ['otlp'], exporters: ['file'] } },
        telemetry: { metrics: { level: 'none' } },
      },
    };
    writeFileSync(join(folder, 'config.yaml'), JSON.stringify(config));
    this.#process = spawn(program, ['--config', join(folder, 'config.yaml')], { stdio: ['ignore', 'ignore', 'pipe'] });
    this.#ready = new Promise((resolve) => {
      this.#process.stderr?.setEncoding('utf8').on('data', (text: string) => {
        this.#errors += text;
        if (this.#errors.includes('Everything is ready')) resolve(true);
      });
    });
    // Not before all that it said has been read.
    this.#exited = new Promise((resolve) => this.#process.once('close', () => resolve()));
  }

  static async start(program: string): Promise<Collector> {
    const folder = mkdtempSync(join(tmpdir(), 'iluvatar-test-collector-'));
    const collector = new Collector(program, folder, await freePort());
    const ready = await Promise.race([collector.#ready, collector.#exited.then(() => false)]);
    if (ready) return collector;
    await collector[Symbol.asyncDispose]();
    throw new Error(`the collector did not start:\n${collector.#errors}`);
  }

  /** What has come so far. */
  received(): JsonResourceSpans[] {
    const file = join(this.#folder, 'spans.jsonl');
    if (!existsSync(file)) return [];
    const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1);
    return lines.flatMap((line) => (JSON.parse(line) as { resourceSpans: JsonResourceSpans[] }).resourceSpans);
  }

  spans(): JsonSpan[] {
    return this.received().flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode === null) this.#process.kill('SIGTERM');
    await this.#exited;
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
