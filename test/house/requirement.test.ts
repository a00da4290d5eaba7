import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findCommand, missingOf } from '../support/requirement.js';

describe('requirements of a suite', () => {
  let folder = '';
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'requirement-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('names every program that is missing and none that is there', () => {
    expect(missingOf({ command: ['sh', 'no-such-program-here'] })).toEqual([
      'needs the program "no-such-program-here"',
    ]);
    expect(findCommand('sh')).toMatch(/\/sh$/);
  });

  it('does not take a folder for a program', () => {
    const path = process.env['PATH'];
    try {
      process.env['PATH'] = join(folder, '..');
      expect(findCommand(folder.slice(join(folder, '..').length + 1))).toBeNull();
    } finally {
      process.env['PATH'] = path;
    }
  });

  it('gives the reason of a condition, and of a file', () => {
    expect(missingOf({ condition: { holds: false, otherwise: 'no moon' }, file: join(folder, 'absent') })).toEqual([
      `needs ${join(folder, 'absent')}`,
      'no moon',
    ]);
    expect(missingOf({ condition: { holds: true, otherwise: 'no moon' }, file: folder })).toEqual([]);
  });

  it('has a state folder to record skips in', () => {
    expect(JSON.parse(readFileSync(process.env['ILUVATAR_TEST_BASELINE'] as string, 'utf8'))).toHaveProperty('cgroups');
  });
});
