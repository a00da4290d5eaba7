import { chmodSync, chownSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { describeWith } from '../support/requirement.js';
import { type Ended, execute, root } from './process.js';

const NOBODY = 65_534;

/** Every folder above is open to everybody, so that an ordinary user gets to the clone at all. */
function reachable(path: string): boolean {
  for (let folder = path; ; folder = dirname(folder)) {
    if ((statSync(folder).mode & 0o005) !== 0o005) return false;
    if (folder === '/') return true;
  }
}

function shownBoth({ code, output }: Ended): void {
  expect(output).toMatch(/first {2}\((cold|prewarm)\): \{"body":\{"greeting":"Hello, world!"/);
  expect(output).toMatch(/second \(warm\): \{"body":\{"greeting":"Hello, world!"/);
  expect(output.match(/queued [\d.]+ ms, start [\d.]+ ms, run [\d.]+ ms/g)).toHaveLength(2);
  expect(output).toContain('curl ');
  expect(output).toContain('invoke hello -a name=world');
  expect(output).toMatch(/missing here: |all protections are in force/);
  expect(code).toBe(0);
}

describe('npm start -- --once', () => {
  let dataDir = '';

  beforeEach(() => {
    dataDir = mkdtempSync(join(tmpdir(), 'iluvatar-start-'));
    chmodSync(dataDir, 0o755);
  });
  afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

  const args = (): string[] => ['scripts/start.mjs', '--once', '--port', '0', '--data-dir', join(dataDir, 'state')];

  it('runs a function cold and warm and says how to do it again', async () => {
    shownBoth(await execute(process.execPath, args()));
  });

  const open = reachable(root) && reachable(dirname(process.execPath));
  describeWith(
    {
      root: true,
      command: 'setpriv',
      condition: { holds: open, otherwise: 'needs a clone that other users can read' },
    },
    'as an ordinary user',
    () => {
      it('works too, and says what is missing', async () => {
        chownSync(dataDir, NOBODY, NOBODY);
        // Root brings everything up to date first: the clone is not this user's to build in.
        await execute(process.execPath, ['scripts/setup.mjs'], { timeoutMs: 300_000 });
        const drop = [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups', process.execPath, ...args()];
        const env = { PATH: '/usr/local/bin:/usr/bin:/bin', HOME: dataDir };
        const ended = await execute('setpriv', drop, { env });
        shownBoth(ended);
        expect(ended.output).toContain('missing here: ');
      }, 360_000);
    },
  );
});
