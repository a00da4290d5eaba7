import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { openExperiment } from '../../src/results/readers/open-experiment.js';
import { readSeries } from '../../src/results/series.js';
import { readSeriesJoin } from '../../src/results/series-join.js';
import { iluvatar } from '../cli/run.js';

/** Where no server keeps series, a load records them itself. */
describe('a load that is kept in a folder', () => {
  const folder = mkdtempSync(join(tmpdir(), 'iluvatar-test-recording-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('has what its worker said of itself, every second of the run, on its own clock', async () => {
    const source = join(folder, 'f');
    mkdirSync(source);
    writeFileSync(join(source, 'simulated.json'), '{"create": 1000, "run": 2000, "result": {}}');
    const out = join(folder, 'run');
    const { code, stderr } = await iluvatar([
      ...['load', 'run', 'f', '--source', source, '--target', 'simulated'],
      ...['--clients', '1', '--think', '20ms', '--duration', '2500ms', '-o', out],
      ...['--set', 'backends.process.enabled=false'],
    ]);
    expect([code, stderr.includes('not all series')]).toEqual([0, false]);
    const { metricFiles, experiment } = await openExperiment(out);
    expect(metricFiles).toEqual([join(out, 'metrics', 'recorded.parquet')]);
    expect(experiment.files).toContain('metrics/recorded.parquet');
    const all = await readSeries(metricFiles);
    const warm = all.find(({ series }) => series === 'worker_state.warm');
    expect(warm?.points.length).toBeGreaterThanOrEqual(2);
    expect(warm?.points.every(({ timeUs }) => timeUs >= 0)).toBe(true);
    const joined = await readSeriesJoin(metricFiles);
    expect(joined.workers).toEqual([warm?.worker]);
    expect(joined.value('worker_state.warm', '', 2_500_000)).toBeGreaterThan(
      joined.value('worker_state.warm', '', 1_000_000) || 0,
    );
  });
});
