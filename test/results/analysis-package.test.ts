import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { loadTable } from '../../src/results/load-row.js';
import { streamResults } from '../../src/results/readers/data-frame.js';
import { cachedBuild } from '../support/build-cache.js';
import { command } from '../support/command.js';
import { describeWith } from '../support/requirement.js';
import { makeExperiment } from './support/experiments.js';
import { writeOriginal } from './support/original.js';

/** The Python package reads what is written here, with the numbers that are known here. Its own tests are Python's, run by pytest. */

const root = fileURLToPath(new URL('../..', import.meta.url));
const project = join(root, 'analysis');
const systemPython = existsSync('/usr/bin/python3') ? '/usr/bin/python3' : 'python3';

/** Polars is large: installed once, and kept outside of the tree. Its folder, or why it cannot be made here. */
async function packages(): Promise<{ folder: string; reason: string }> {
  const wanted = ['polars==2.1.0', 'pytest==9.2.0'];
  try {
    const folder = await cachedBuild({
      kind: 'python',
      files: [],
      facts: [...wanted, await command(systemPython, ['--version'])],
      build: async (into) => {
        await command(systemPython, ['-m', 'pip', 'install', '-q', '--no-compile', '--target', into, ...wanted]);
      },
    });
    return { folder, reason: '' };
  } catch (error) {
    return { folder: '', reason: `needs polars and pytest: ${(error as Error).message.trim().split('\n').at(-1)}` };
  }
}

const { folder: installed, reason } = await packages();

describeWith({ condition: { holds: installed !== '', otherwise: reason } }, 'the Python package', () => {
  it('passes its own tests on what is written here', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'iluvatar-analysis-'));
    try {
      await prepare(folder);
      const { status, stdout, stderr } = spawnSync(
        systemPython,
        ['-m', 'pytest', '-q', '-p', 'no:cacheprovider', 'tests'],
        {
          cwd: project,
          env: {
            ...process.env,
            ILUVATAR_RESULTS: folder,
            PYTHONPATH: `${project}:${installed}`,
            PYTHONDONTWRITEBYTECODE: '1',
          },
          encoding: 'utf8',
        },
      );
      // All that pytest says, where it says that something is wrong.
      expect(status === 0 ? '' : stdout + stderr).toBe('');
      expect(stdout).toMatch(/^\d+ passed/m);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

/** A finished run, one that died, files of the original's, and what must be found in all of them. */
async function prepare(folder: string): Promise<void> {
  const rows = 1200;
  await makeExperiment(join(folder, 'run'), { rows, metrics: true });
  const died = join(folder, 'died');
  cpSync(join(folder, 'run'), died, { recursive: true });
  rmSync(join(died, 'summary.json'));
  truncateSync(join(died, 'rows.parquet'), 2000);
  const facts = JSON.parse(readFileSync(join(died, 'experiment.json'), 'utf8')) as object;
  writeFileSync(join(died, 'experiment.json'), JSON.stringify({ ...facts, state: 'running', end: null }));
  const csv = readFileSync(join(died, 'rows.csv'));
  // In the middle of the row after the 500th: the head is the first line.
  let at = 0;
  for (let line = 0; line <= 500; line++) at = csv.indexOf('\n', at) + 1;
  truncateSync(join(died, 'rows.csv'), at + 12);
  writeOriginal(join(folder, 'original'));
  const original: Record<string, Record<string, unknown[]>> = {};
  for (const name of ['output-trace.csv', 'output-full-trace.json', 'worker_function_benchmarks.json', 'scaling']) {
    original[name] = await columnsOf(join(folder, 'original', name));
  }
  let queueUs = 0;
  for await (const row of streamResults(join(folder, 'run'))) queueUs += row.queueUs;
  const expected = {
    columns: loadTable.columns.map((column) => column.name),
    invocations: rows,
    queueUs,
    series: ['iluvatar_memory_cached_bytes', 'iluvatar_memory_running_bytes', 'iluvatar_queue_length'],
    diedRows: 500,
    original,
  };
  writeFileSync(join(folder, 'expected.json'), JSON.stringify(expected));
}

const COMPARED = [
  'function',
  'arrival_us',
  'sent_us',
  'end_us',
  'state',
  'outcome',
  'run_us',
  'code_us',
  'code_cold',
  'clients',
  'client',
];

async function columnsOf(path: string): Promise<Record<string, unknown[]>> {
  const values: Record<string, unknown[]> = Object.fromEntries(COMPARED.map((name) => [name, []]));
  for await (const row of streamResults(path)) {
    for (const column of loadTable.columns) {
      const value = column.get(row);
      const none = column.kind === 'integer' ? column.none : column.kind === 'text' && column.nullable ? '' : null;
      values[column.name]?.push(value === none ? null : value);
    }
  }
  return values;
}
