import { spawn } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { remainsOf } from '../../src/cli/private-daemon/remains.js';
import { describeWith } from '../support/requirement.js';
import { type Ended, execute, root } from './process.js';

const NOBODY = 65_534;
const LIMIT_MS = 240_000;

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

/** What is left of the private daemon whose socket the output names. */
function remainsSaid(output: string): string[] {
  const folder = /(\S*\/iluvatar-(containerd|docker)-[A-Za-z0-9]{6})\//.exec(output)?.[1];
  if (folder === undefined) return [];
  return [...remainsOf(folder), ...(existsSync(folder) ? [`folder ${folder}`] : [])];
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

  describe.each([
    [
      'containerd',
      ['containerd'],
      /containers: (a containerd for this demonstration alone|containerd \S+ of this machine), at \S+/,
    ],
    [
      'docker',
      ['dockerd', 'containerd', 'runc'],
      /containers: (a Docker for this demonstration alone|Docker \S+ of this machine), at \S+/,
    ],
  ] as const)('--backend %s', (backend, command, said) => {
    describeWith({ root: true, cgroups: true, command }, `with ${backend}`, () => {
      it(
        'runs the samples there, and ends what it started',
        async () => {
          const { code, output } = await execute(process.execPath, [...args(), '--backend', backend], {
            timeoutMs: LIMIT_MS,
          });
          shownBoth({ code, output });
          expect(output).toContain('registered hello_node (nodejs)');
          expect(output).toMatch(said);
          expect(remainsSaid(output)).toEqual([]);
        },
        LIMIT_MS,
      );

      it(
        'ends with the first Ctrl-C, whatever it is at, and leaves no daemon',
        async () => {
          for (const moment of ['is up: ', 'Ctrl-C ends it']) {
            const more = ['--port', '0', '--data-dir', join(dataDir, 'state'), '--backend', backend];
            const child = spawn(process.execPath, ['scripts/start.mjs', ...more], { cwd: root });
            let output = '';
            let told = false;
            for (const stream of [child.stdout, child.stderr]) {
              stream.on('data', (chunk) => {
                output += chunk;
                if (told || !output.includes(moment)) return;
                told = true;
                // Twice, as npm and the terminal do.
                child.kill('SIGINT');
                child.kill('SIGINT');
              });
            }
            const late = setTimeout(() => child.kill('SIGTERM'), LIMIT_MS / 3);
            const code = await new Promise((resolve) => child.once('close', resolve));
            clearTimeout(late);
            expect([code, told, remainsSaid(output)]).toEqual([0, true, []]);
            expect(output).toContain('stopping …');
          }
        },
        LIMIT_MS,
      );
    });
  });

  it.each([
    ['simulated', 'the backend "simulated" runs none'],
    ['podman', '--backend must be process, containerd or docker, not "podman"'],
  ])('refuses the backend %s with a sentence', async (backend, why) => {
    const { code, output } = await execute(process.execPath, [...args(), '--backend', backend]);
    expect([code, output]).toEqual([2, expect.stringContaining(why)]);
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
