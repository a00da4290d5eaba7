import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { extract, type Header } from 'tar-stream';
import { type BuildRequest, type BuiltFunction, buildFunction } from '../../src/cli/build-function.js';
import { parseConfig } from '../../src/config/load.js';

/** What several suites about images need: folders, tars read back, functions built, and a registry. */

export const run = promisify(execFile);

export function temporaryFolder(): { path: string; remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), 'iluvatar-images-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

export async function write(folder: string, files: Readonly<Record<string, string>>): Promise<string> {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), text);
  }
  return folder;
}

export interface TarEntry {
  header: Header;
  content: Buffer;
}

/** All entries of a tar, by a reader that is not ours. */
export async function readTar(source: Readable | Buffer): Promise<TarEntry[]> {
  const entries: TarEntry[] = [];
  const reader = extract();
  const stream = Buffer.isBuffer(source) ? Readable.from([source]) : source;
  stream.on('error', (error) => reader.destroy(error));
  stream.pipe(reader);
  for await (const entry of reader) {
    const chunks: Buffer[] = [];
    for await (const chunk of entry) chunks.push(chunk as Buffer);
    entries.push({ header: entry.header, content: Buffer.concat(chunks) });
  }
  return entries;
}

export async function bytesOf(source: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of source) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** Builds with defaults; `work` keeps the blobs until the test has looked at them. */
export async function buildFrom(
  source: string,
  work: string,
  options: Partial<BuildRequest> = {},
): Promise<BuiltFunction> {
  const request: BuildRequest = {
    source,
    name: 'hello',
    version: '1',
    runtime: null,
    entry: null,
    dependencies: true,
    interpreter: null,
    env: {},
    labels: {},
    user: '65534:65534',
    base: 'scratch',
    platform: 'linux/amd64',
    compress: false,
    ...options,
  };
  await mkdir(work, { recursive: true });
  return buildFunction(request, parseConfig(), work, () => undefined);
}

export async function readJson<T>(path: string): Promise<T> {
  return JSON.parse(await readFile(path, 'utf8')) as T;
}

/** Debian's docker-registry on a free loopback port, with its files in `folder`. */
export class LocalRegistry {
  readonly host: string;
  readonly #process: ChildProcess;

  private constructor(host: string, process: ChildProcess) {
    this.host = host;
    this.#process = process;
  }

  static async start(folder: string): Promise<LocalRegistry> {
    const config = join(folder, 'registry.yml');
    const settings = {
      version: 0.1,
      log: { level: 'info', accesslog: { disabled: true } },
      storage: { filesystem: { rootdirectory: join(folder, 'registry') } },
      http: { addr: '127.0.0.1:0' },
    };
    writeFileSync(config, JSON.stringify(settings));
    const child = spawn('docker-registry', ['serve', config], { stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    const port = await new Promise<string>((resolve, reject) => {
      const hear = (chunk: Buffer): void => {
        said += chunk;
        const found = /listening on 127\.0\.0\.1:(\d+)/.exec(said)?.[1];
        if (found !== undefined) resolve(found);
      };
      child.stdout.on('data', hear);
      child.stderr.on('data', hear);
      child.once('error', reject);
      child.once('exit', (code) => reject(new Error(`docker-registry ended with ${code}: ${said}`)));
    });
    return new LocalRegistry(`127.0.0.1:${port}`, child);
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode !== null) return;
    const gone = new Promise((resolve) => this.#process.once('exit', resolve));
    this.#process.kill('SIGKILL');
    await gone;
  }
}
