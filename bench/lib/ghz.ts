import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { goProgram } from '../../test/grpc/tools/go-program.js';

/** What ghz measured: answers a second, and latencies in µs. */
export interface GhzFigures {
  calls: number;
  throughput: number;
  p50Us: number;
  p99Us: number;
}

/** The part of ghz's JSON that is read here; latencies in ns. */
interface GhzReport {
  count: number;
  rps: number;
  statusCodeDistribution: Record<string, number>;
  latencyDistribution: { percentage: number; latency: number }[] | null;
}

const PROTO = fileURLToPath(new URL('../../src/rpc/iluvatar/iluvatar_rpc.proto', import.meta.url));
const MAX_OUTPUT = 256 * 1024 * 1024;

const run = promisify(execFile);

/** A load generator of others, by grpc-go: so many clients in a closed loop over one connection. */
export class Ghz {
  readonly #program: string;

  private constructor(program: string) {
    this.#program = program;
  }

  /** Builds it when it was not built before. Throws, saying what to install, where that cannot be. */
  static async ready(): Promise<Ghz> {
    return new Ghz(await goProgram('ghz'));
  }

  /** Throws when any answer was an error. */
  async load(address: string, clients: number, seconds: number, request: object): Promise<GhzFigures> {
    const how = ['--insecure', '--proto', PROTO, '--call', 'iluvatar_rpc.IluvatarWorker.invoke', '--format', 'json'];
    const what = ['--data', JSON.stringify(request), '--concurrency', `${clients}`, '--duration', `${seconds}s`];
    // Otherwise those that are on their way at the end are errors.
    const { stdout } = await run(this.#program, [...how, ...what, '--duration-stop', 'wait', address], {
      maxBuffer: MAX_OUTPUT,
    });
    return parseGhz(stdout);
  }
}

/** The figures in what ghz printed as JSON. */
export function parseGhz(output: string): GhzFigures {
  const { count, rps, statusCodeDistribution, latencyDistribution } = JSON.parse(output) as GhzReport;
  const failed = count - (statusCodeDistribution['OK'] ?? 0);
  if (failed !== 0)
    throw new Error(`ghz: ${failed} of ${count} calls failed: ${JSON.stringify(statusCodeDistribution)}`);
  const at = (percentage: number): number => {
    const found = latencyDistribution?.find((entry) => entry.percentage === percentage);
    if (found === undefined) throw new Error(`ghz measured nothing: ${output.slice(0, 500)}`);
    return found.latency / 1000;
  };
  return { calls: count, throughput: rps, p50Us: at(50), p99Us: at(99) };
}
