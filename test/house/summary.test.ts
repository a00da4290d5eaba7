import { describe, expect, it } from 'vitest';
// @ts-expect-error: a plain script without types.
import { summarise } from '../../scripts/summary.mjs';

const file = (name: string, status: string, tests: [string, string][], message = '') => ({
  name: `/repo/test/${name}`,
  status,
  message,
  assertionResults: tests.map(([fullName, testStatus]) => ({ fullName, status: testStatus })),
});

describe('the closing summary of npm test', () => {
  it('counts what passed and names what failed', () => {
    const report = {
      numPassedTests: 1,
      numFailedTests: 1,
      testResults: [
        file('a.test.ts', 'failed', [
          ['fine', 'passed'],
          ['broken', 'failed'],
        ]),
      ],
    };
    expect(summarise(report, [], '/repo')).toEqual({
      lines: ['FAIL test/a.test.ts: broken'],
      passed: 1,
      failed: 1,
      skipped: 0,
    });
  });

  it('a file that cannot be loaded is a failure', () => {
    const report = {
      numPassedTests: 0,
      numFailedTests: 0,
      testResults: [file('a.test.ts', 'failed', [], 'boom\nstack')],
    };
    expect(summarise(report, [], '/repo')).toMatchObject({ failed: 1, lines: ['FAIL test/a.test.ts: boom'] });
  });

  it('a skip with its reason counts once, one without a reason is named', () => {
    const report = {
      numPassedTests: 0,
      numFailedTests: 0,
      testResults: [
        file('a.test.ts', 'passed', [
          ['suite (skipped: needs root) x', 'pending'],
          ['suite (skipped: needs root) y', 'pending'],
          ['secret', 'skipped'],
        ]),
      ],
    };
    const skips = [{ suite: 'suite', reason: 'needs root' }];
    expect(summarise(report, skips, '/repo')).toEqual({
      lines: ['skipped without a reason: test/a.test.ts: secret', 'skipped: suite: needs root'],
      passed: 0,
      failed: 0,
      skipped: 2,
    });
  });

  it('no report is a failure', () => {
    expect(summarise(null, [], '/repo').failed).toBe(1);
  });
});
