import { expect, test, vi } from 'vitest';
import { loadPlotter } from '../../src/sim/compare/plot.js';

vi.mock('vega', () => {
  throw new Error("Cannot find package 'vega'");
});

test('without the optional packages the error says what to install', async () => {
  await expect(loadPlotter()).rejects.toMatchObject({
    errorClass: 'unavailable',
    message: expect.stringContaining('npm install vega vega-lite'),
  });
});
