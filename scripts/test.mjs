import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lint } from './lint.mjs';
import { root, run, tool } from './run.mjs';
import { setupOrExit } from './setup.mjs';
import { summarise } from './summary.mjs';

/**
 * `npm test`: set up, every static check, every suite, then a summary that names what failed and what was skipped and why. Arguments are passed
 * on to vitest (`npm test -- test/core`). With CI=true a skipped suite fails the run: there the machine must have everything.
 */

await setupOrExit({ tests: true });

const patterns = process.argv.slice(2);
const ahead = patterns.length === 0 ? buildAhead() : null;
const strict = process.env.CI === 'true';
const state = mkdtempSync(join(tmpdir(), 'vitest-state-'));
const problems = [];
try {
  for (const name of await lint()) problems.push(`static check failed: ${name}`);
  const report = join(state, 'report.json');
  const { code } = await run(
    tool('vitest'),
    ['run', '--reporter=default', '--reporter=json', `--outputFile.json=${report}`, ...patterns],
    { show: true, env: { ILUVATAR_TEST_STATE: state } },
  );
  const { lines, passed, failed, skipped } = summarise(readReport(report), readSkips(join(state, 'skips.jsonl')), root);
  if (strict && skipped > 0) problems.push('CI=true: nothing may be skipped');
  if (code !== 0 && failed === 0) problems.push(`vitest ended with ${code}: see its output above`);
  process.stdout.write(`\n${[...lines, ...problems].map((line) => `${line}\n`).join('')}`);
  // Problems outside the suites count too, so that the line below never reads as a success when the run was none.
  process.stdout.write(`${passed} passed, ${failed + problems.length} failed\n`);
  process.exitCode = failed + problems.length === 0 ? 0 : 1;
} finally {
  ahead?.kill();
  rmSync(state, { recursive: true, force: true });
}

/** Of use to a whole run only, which needs all of it. */
function buildAhead() {
  const args = ['-n', '19', tool('vitest'), 'run', '--config', 'test/ahead/vitest.config.ts'];
  const child = spawn('nice', args, { cwd: root, stdio: 'ignore' });
  child.on('error', () => {});
  return child;
}

function readReport(file) {
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : null;
}

function readSkips(file) {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, 'utf8').trim().split('\n');
  return lines.map((line) => JSON.parse(line));
}
