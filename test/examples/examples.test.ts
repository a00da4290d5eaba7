import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { EVICTION_POLICIES } from '../../src/config/policy-names.js';

const folder = fileURLToPath(new URL('../../examples/', import.meta.url));

async function example(name: string): Promise<string[]> {
  const { stdout } = await promisify(execFile)(process.execPath, [`${folder}${name}`]);
  return stdout.trim().split('\n');
}

/** They import the package by its name, as users do, and so run what was built. */
describe('examples', () => {
  it('are all named in their README', () => {
    const programs = readdirSync(folder).filter((name) => name.endsWith('.mjs'));
    const readme = readFileSync(`${folder}README.md`, 'utf8');
    expect(programs.length).toBeGreaterThan(0);
    for (const name of programs) expect(readme).toContain(`node examples/${name}`);
  });

  it('embedded-worker.mjs runs a function and names what goes wrong', async () => {
    const lines = await example('embedded-worker.mjs');
    expect(lines[0]).toMatch(/^result 3\.5 on a container that was prewarm, run in \d+ µs$/);
    expect(lines[1]).toBe('failure user_error - ZeroDivisionError: division by zero');
    expect(lines[2]).toMatch(/^failure timeout - /);
    expect(lines[3]).toMatch(/3 invocations$/);
  });

  it('compare-keep-alive.mjs shows every policy, and the same each time', async () => {
    const lines = await example('compare-keep-alive.mjs');
    expect(lines.map((line) => line.split(' ')[0])).toEqual([...EVICTION_POLICIES]);
    for (const line of lines) expect(line).toMatch(/ \d+ invocations +\d+\.\d % cold +mean \d+ ms$/);
    expect(await example('compare-keep-alive.mjs')).toEqual(lines);
  });
});
