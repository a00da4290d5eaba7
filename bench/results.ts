import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { benchProgram } from './lib/bench-program.js';
import { atMost, type Bench, machine } from './lib/result.js';

/** What a million invocations cost to write and summarise, to report, and to compare: memory above all, each in a process of its own. */

const ROWS = 1_000_000;
const LIMIT_MB = 300;

interface ResultsPass {
  readonly seconds: number;
  /** The greatest that its process has ever been; MiB. */
  readonly peakMb: number;
  readonly bytes: number;
}

export const bench: Bench = {
  name: 'results',
  title: 'A million invocations written with their summary, made a report of, and compared',
  async run({ log }) {
    const folder = mkdtempSync(join(tmpdir(), 'iluvatar-bench-results-'));
    const program = await benchProgram('lib/results-pass');
    const pass = (step: string): ResultsPass => {
      log(step);
      return JSON.parse(
        execFileSync(process.execPath, [program, step, String(ROWS), join(folder, 'run')], { encoding: 'utf8' }),
      ) as ResultsPass;
    };
    try {
      const [write, report, compare] = [pass('write'), pass('report'), pass('compare')];
      return {
        name: 'results',
        machine: machine(),
        figures: {
          writePeakMb: write.peakMb,
          writeSeconds: write.seconds,
          parquetMb: write.bytes / 2 ** 20,
          reportPeakMb: report.peakMb,
          reportSeconds: report.seconds,
          reportKb: report.bytes / 1024,
          comparePeakMb: compare.peakMb,
          compareSeconds: compare.seconds,
        },
        floor: {},
        ratios: {},
        targets: [
          atMost('10⁶ invocations written as Parquet and CSV, and summarised, peak MiB', write.peakMb, LIMIT_MB),
          atMost('10⁶ invocations made a report of, peak MiB', report.peakMb, LIMIT_MB),
          atMost('10⁶ invocations compared with themselves, peak MiB', compare.peakMb, LIMIT_MB),
        ],
        notes: ['peak: the greatest resident memory of a process that does only this'],
      };
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
};
