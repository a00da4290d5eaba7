import { describe, expect, it } from 'vitest';
import { policyDescriptions } from '../../src/core/policies.js';
import { iluvatar as cli } from './run.js';

describe('iluvatar policies', () => {
  it('lists every policy under its family and the key that chooses it', async () => {
    const { code, stdout } = await cli(['policies']);
    expect(code).toBe(0);
    for (const { name, optimises } of policyDescriptions()) {
      expect(stdout.split('\n').some((line) => line.trim().startsWith(`${name} `) && line.includes(optimises))).toBe(
        true,
      );
    }
    for (const key of ['queue.policy', 'gpu.queue.policy', 'dispatch.policy', 'keepAlive.policy'])
      expect(stdout).toContain(key);
  });

  it('shows parameters, cost and source of those of one name or family', async () => {
    const { stdout } = await cli(['policies', 'ttl']);
    expect(stdout).toMatch(/keepAliveMs +idle time after which.*; ms, default 600000, at least 0/);
    const json = await cli(['policies', 'eviction', '--json']);
    const shown = JSON.parse(json.stdout) as { name: string; family: string }[];
    const expected = policyDescriptions().filter(({ family }) => family === 'eviction');
    expect(shown.map(({ name }) => name)).toEqual(expected.map(({ name }) => name));
  });

  it('exits 2 for a name that does not exist, and says which families there are', async () => {
    const { code, stderr } = await cli(['policies', 'fastest']);
    expect(code).toBe(2);
    expect(stderr).toContain('cpu-queue, gpu-queue, dispatch, eviction');
  });
});
