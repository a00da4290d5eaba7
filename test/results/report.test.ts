import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PLOT_NAMES } from '../../src/cli/load/plot.js';
import { PLOTS, specificationOf } from '../../src/cli/load/report/figures.js';
import { reportPage } from '../../src/cli/load/report/report-page.js';
import { type Analysis, analyse } from '../../src/results/analysis.js';
import { logarithmic } from '../../src/results/plots/axes.js';
import { loadPngRenderer, loadSvgRenderer, type SvgRenderer } from '../../src/results/plots/render.js';
import { openResults } from '../../src/results/readers/open-results.js';
import { iluvatar as runCli } from '../cli/run.js';
import { makeExperiment } from './support/experiments.js';

let folder: string;
let render: SvgRenderer;
let run: Analysis;
let steps: Analysis;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'iluvatar-report-'));
  await makeExperiment(join(folder, 'run'), { rows: 1500, metrics: true, name: 'a <b> & "c"' });
  await makeExperiment(join(folder, 'other'), { rows: 1500, seed: 2, factor: 1.5 });
  await makeExperiment(join(folder, 'steps'), { rows: 900, steps: [1, 2, 4] });
  render = await loadSvgRenderer();
  run = await analyse(await openResults(join(folder, 'run')));
  steps = await analyse(await openResults(join(folder, 'steps')));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('plots', () => {
  it('are those that the command names', () => {
    expect(Object.keys(PLOTS)).toEqual([...PLOT_NAMES]);
  });

  it.each(PLOT_NAMES)('%s is an SVG and a PNG that show what there is', async (name) => {
    const of = name === 'throughput' ? steps : run;
    const svg = await render(specificationOf(name, [of], 'paper') ?? {});
    expect(svg.slice(0, 5)).toBe('<svg ');
    const words = {
      'latency-cdf': ['warm', 'cold', 'share of invocations'],
      timeline: ['offered', 'p99', 'memory running', 'queue length', 'seconds since the beginning'],
      'cold-starts': ['fn-0@1', 'cold starts'],
      throughput: ['successful per second', 'clients'],
      overlay: ['iluvatar_queue_length', 'p99 latency, ms'],
    }[name];
    for (const word of words) expect([word, svg.includes(`>${word}<`)]).toEqual([word, true]);
    expect(svg.match(/NaN|Infinity|undefined/)).toBeNull();
    const png = Buffer.from((await loadPngRenderer())(svg));
    expect(png.subarray(1, 4).toString()).toBe('PNG');
    // Width and height, big-endian, are in its head.
    expect(png.readUInt32BE(16)).toBeGreaterThan(800);
  });

  it('are none where there is nothing to draw', () => {
    const nothing: Analysis = {
      ...run,
      timeline: null,
      series: [],
      latency: new Map(),
      summary: { ...run.summary, functions: [], steps: [] },
    };
    for (const name of PLOT_NAMES) expect(specificationOf(name, [nothing], 'paper')).toBeNull();
  });

  it('of chosen series show only these', () => {
    const { vconcat } = specificationOf('overlay', [run], 'paper', ['iluvatar_queue_length']) as { vconcat: unknown[] };
    expect(vconcat).toHaveLength(1);
    expect(specificationOf('overlay', [run], 'paper', ['nothing'])).toBeNull();
  });

  it('have logarithmic axes with two labels at least, inside of what they show', () => {
    for (const values of [
      [3, 4],
      [1, 1],
      [0.001, 5000],
      [113, 155],
      [1e-3, 1e6],
    ]) {
      const { scale, axis } = logarithmic(values) as {
        scale: { domain: [number, number] };
        axis: { values: number[] };
      };
      const [low, high] = scale.domain;
      expect(low).toBeLessThan(high);
      expect(low).toBeLessThanOrEqual(Math.min(...values));
      expect(high).toBeGreaterThanOrEqual(Math.max(...values));
      expect(axis.values.filter((tick) => tick >= low && tick <= high).length).toBeGreaterThanOrEqual(2);
    }
  });
});

describe('a report', () => {
  const page = (analyses: readonly Analysis[]): Promise<string> =>
    reportPage({ title: 'One <title>', analyses, comparisons: [], render, madeAt: '2026-01-01T00:00:00Z' });

  it('is one page that needs nothing from elsewhere, and runs nothing', async () => {
    const text = await page([run]);
    expect(text.slice(0, 15)).toBe('<!doctype html>');
    expect(text.match(/<script|<link|<img|@import|url\((?!#)|\bon[a-z]+="/i)).toBeNull();
    // Names of XML are no addresses that anything is fetched from.
    expect(text.replaceAll(/xmlns(:\w+)?="[^"]*"/g, '').match(/https?:/)).toBeNull();
    expect(text.includes('prefers-color-scheme: dark')).toBe(true);
  });

  it('escapes what others have written', async () => {
    const text = await page([run]);
    expect(text.includes('One &lt;title&gt;')).toBe(true);
    expect(text.includes('a &lt;b&gt; &amp; &quot;c&quot;')).toBe(true);
    expect(text.includes('a <b>')).toBe(false);
  });

  it('has tables with captions and heads, and pictures with names', async () => {
    const text = await page([run]);
    const count = (pattern: RegExp): number => (text.match(pattern) ?? []).length;
    expect(count(/<table>/g)).toBeGreaterThan(4);
    expect(count(/<caption>/g)).toBe(count(/<table>/g));
    expect(count(/<th scope="col"/g)).toBeGreaterThan(count(/<table>/g));
    expect(count(/<th scope="row"/g)).toBeGreaterThan(10);
    expect(count(/<svg role="img" aria-label="[^"]+"/g)).toBe(4);
    expect(count(/<svg /g)).toBe(4);
    expect(text.includes(`<td class="">${run.summary.functions[0]?.invocations}</td>`)).toBe(true);
  });

  it('shows several runs together and each alone', async () => {
    const text = await page([run, steps]);
    for (const part of ['<h2>All runs</h2>', 'href="#run-1"', 'id="run-1"']) expect(text.includes(part)).toBe(true);
  });
});

describe('iluvatar load', () => {
  const at = (name: string): string => join(folder, name);

  it('summary prints what the run has written, and works it out anew when asked', async () => {
    const stored = await runCli(['load', 'summary', at('run'), '--json']);
    const anew = await runCli(['load', 'summary', at('run'), '--recompute', '--json']);
    expect(JSON.parse(stored.stdout)).toMatchObject({ invocations: 1500, generator: { eventLoopUtilisation: 0.2 } });
    expect(JSON.parse(anew.stdout).us).toEqual(JSON.parse(stored.stdout).us);
    const warm = await runCli(['load', 'summary', at('run'), '--warm', 'fn-0=1', '--json']);
    expect(JSON.parse(warm.stdout).functions[0].warm).toEqual({ us: 1000, from: 'given' });
    expect((await runCli(['load', 'summary', at('run')])).stdout).toMatch(/latency, from the intended start +1500/);
  });

  it('plot writes what there is something for', async () => {
    const { stdout, code } = await runCli([
      'load',
      'plot',
      at('run'),
      '--format',
      'both',
      '--only',
      'cold-starts,overlay',
    ]);
    expect(code).toBe(0);
    const files = stdout.trim().split('\n');
    expect(files.map((file) => file.slice(at('run/plots').length + 1))).toEqual([
      'cold-starts.svg',
      'cold-starts.png',
      'overlay.svg',
      'overlay.png',
    ]);
    for (const file of files) expect(existsSync(file)).toBe(true);
    const nothing = await runCli(['load', 'plot', at('run'), '--only', 'throughput']);
    expect([nothing.code, nothing.stderr]).toEqual([2, expect.stringContaining('there is nothing for throughput')]);
  });

  it('report and compare', async () => {
    const out = at('page.html');
    expect((await runCli(['load', 'report', at('run'), at('other'), '--compare', '--out', out])).code).toBe(0);
    expect(readFileSync(out, 'utf8').includes('<h2>Comparison</h2>')).toBe(true);
    const compared = await runCli(['load', 'compare', at('run'), at('other'), '--resamples', '200', '--fail-if-worse']);
    expect(compared.stdout).toMatch(/p50 latency .*B is worse/);
    expect(compared.code).toBe(1);
    const same = await runCli([
      'load',
      'compare',
      at('run'),
      at('run'),
      '--resamples',
      '200',
      '--fail-if-worse',
      '--json',
    ]);
    expect([same.code, JSON.parse(same.stdout).format]).toEqual([0, 'iluvatar.comparison']);
  });

  it('tells what is wrong with what it is given', async () => {
    const missing = await runCli(['load', 'report', at('nowhere')]);
    expect([missing.code, missing.stderr]).toEqual([4, expect.stringContaining('there is no file or folder')]);
    expect((await runCli(['load', 'plot', at('run'), '--only', 'pie'])).stderr).toContain('--only must be one of');
    expect((await runCli(['load', 'report', at('run'), '--compare'])).stderr).toContain('needs two runs');
    expect((await runCli(['load', 'compare', at('run'), at('run'), '--confidence', '2'])).code).toBe(7);
  });
});
