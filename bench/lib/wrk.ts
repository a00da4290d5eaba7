import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** What wrk measured: answers a second, and latencies in µs. */
export interface WrkFigures {
  throughput: number;
  p50Us: number;
  p99Us: number;
}

/** POST of the same small JSON body over kept-alive connections; `done` gives the figures as JSON, which wrk itself prints for people only. */
const SCRIPT = `
wrk.method = "POST"
wrk.body = os.getenv("BENCH_BODY")
wrk.headers["content-type"] = "application/json"
function done(summary, latency)
  local e = summary.errors
  io.write(string.format('{"requests":%d,"us":%d,"errors":%d,"p50Us":%.1f,"p99Us":%.1f}\\n', summary.requests, summary.duration,
    e.connect + e.read + e.write + e.status + e.timeout, latency:percentile(50), latency:percentile(99)))
end
`;

const run = promisify(execFile);

/** wrk with its script. Installs Debian's package when it is missing and we are root; throws, saying what to install, otherwise. */
export class Wrk implements Disposable {
  readonly #folder: string;
  readonly #script: string;

  constructor() {
    requireWrk();
    this.#folder = mkdtempSync(join(tmpdir(), 'iluvatar-bench-wrk-'));
    this.#script = join(this.#folder, 'post.lua');
    writeFileSync(this.#script, SCRIPT);
  }

  /** `seconds` is whole: wrk knows no fractions. Throws when any answer was an error. */
  async load(url: string, clients: number, seconds: number, body: string): Promise<WrkFigures> {
    const args = ['-t', '1', '-c', `${clients}`, '-d', `${seconds}s`, '--latency', '-s', this.#script, url];
    const { stdout } = await run('wrk', args, { env: { ...process.env, BENCH_BODY: body } });
    return parseWrk(stdout);
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** The figures in what wrk printed with our script. */
export function parseWrk(output: string): WrkFigures {
  const line = output.split('\n').find((text) => text.startsWith('{'));
  if (line === undefined) throw new Error(`wrk printed no figures:\n${output}`);
  const { requests, us, errors, p50Us, p99Us } = JSON.parse(line) as Record<string, number>;
  if (requests === undefined || us === undefined || p50Us === undefined || p99Us === undefined || requests === 0) {
    throw new Error(`wrk measured nothing: ${line}`);
  }
  if (errors !== 0) throw new Error(`wrk: ${errors} errors in ${requests} requests`);
  return { throughput: (requests * 1e6) / us, p50Us, p99Us };
}

function requireWrk(): void {
  if (present()) return;
  if (process.getuid?.() === 0) {
    execFileSync('apt-get', ['install', '-y', '-q', 'wrk'], { stdio: ['ignore', 'ignore', 'inherit'] });
    if (present()) return;
  }
  throw new Error('this bench needs wrk: apt-get install wrk');
}

function present(): boolean {
  try {
    // Its usage, with exit code 1: all that matters is that it runs.
    execFileSync('wrk', ['-v'], { stdio: 'ignore' });
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ENOENT';
  }
}
