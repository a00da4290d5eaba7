import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Client, connect } from '../../src/index.js';
import { captureProfile } from '../../src/telemetry/profile/capture.js';
import { iluvatar } from '../cli/run.js';
import { rejection, WorkerFixture } from '../worker/support/worker-fixture.js';

/** Profiles of a real worker, with a thread for its shard and threads for life cycles. */
describe('profiles of a running worker', () => {
  let fixture: WorkerFixture;
  let client: Client;
  let folder: string;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'iluvatar-test-profile-'));
    fixture = await WorkerFixture.start({
      threads: true,
      backends: { process: { enabled: false }, simulated: { enabled: true } },
      defaultBackends: ['simulated'],
      profiling: { enabled: true },
    });
    client = await connect(fixture.worker.socketPath);
    const source = fixture.source('f', { 'simulated.json': '{"run": 100}' });
    await client.register({ name: 'f', source });
  });
  afterAll(async () => {
    client?.close();
    await fixture?.[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  it('show what each thread does, as stacks, pictures and for developer tools', async () => {
    const names = ['run.svg', 'run.html', 'run.folded', 'run.cpuprofile'];
    const files = names.map((name) => join(folder, name));
    const capture = captureProfile(client, files, { ms: 400, intervalUs: 500, idle: true });
    let invoking = true;
    const load = (async () => {
      while (invoking) await client.invoke('f', {});
    })();
    const captured = await capture;
    invoking = false;
    await load;
    const threads = captured.threads.map(({ thread }) => thread);
    expect(threads.slice(0, 2)).toEqual(['main', 'shard-0']);
    expect(threads).toContain('life-cycle-1');
    const folded = readFileSync(join(folder, 'run.folded'), 'utf8');
    expect(folded).toMatch(/^shard-0;.*engine\.(?:ts|js):\d+\).* \d+$/m);
    expect(folded).toMatch(/^main;.* \d+$/m);
    for (const line of folded.trimEnd().split('\n')) expect(line).toMatch(/^[^;]+(?:;[^;]+)* \d+$/);
    expect(readFileSync(join(folder, 'run.svg'), 'utf8')).toContain('shard-0');
    expect(readFileSync(join(folder, 'run.html'), 'utf8')).toMatch(/^<!doctype html>/);
    const profiles = readdirSync(folder).filter((name) => name.endsWith('.cpuprofile'));
    expect(profiles.sort()).toEqual(threads.map((thread) => `run-${thread}.cpuprofile`).sort());
    const shard = JSON.parse(readFileSync(join(folder, 'run-shard-0.cpuprofile'), 'utf8'));
    expect(shard.samples.length).toBe(shard.timeDeltas.length);
    expect(shard.endTime - shard.startTime).toBeGreaterThanOrEqual(390_000);
  });

  it('are a command', async () => {
    const file = join(folder, 'command.svg');
    const { code, stdout } = await iluvatar([
      'profile',
      '--seconds',
      '0.2',
      '--thread',
      'shard-0',
      '-o',
      file,
      '--json',
      '--socket',
      fixture.worker.socketPath,
    ]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ files: [file], threads: [{ thread: 'shard-0' }] });
    expect(readFileSync(file, 'utf8')).toContain('</svg>');
  });

  it('are taken one at a time, of threads that are there, into files that say what they are', async () => {
    const capture = (options: object, file = 'x.svg') =>
      captureProfile(client, [join(folder, file)], { ms: 100, ...options });
    const first = capture({ ms: 200 }, 'first.svg');
    expect((await rejection(capture({}))).errorClass).toBe('conflict');
    await first;
    const unknown = await rejection(capture({ threads: ['shard-7'] }));
    expect([unknown.errorClass, unknown.message]).toEqual(['invalid', expect.stringContaining('main, shard-0')]);
    expect((await rejection(capture({}, 'x.png'))).message).toContain('.svg, .html, .folded, .cpuprofile');
    expect((await rejection(capture({}, 'no/such/folder.svg'))).errorClass).toBe('unavailable');
    expect((await rejection(capture({ ms: 0 }))).errorClass).toBe('invalid');
  });

  it('are not to be had over HTTP', async () => {
    const paths = JSON.stringify(await (await fetch(`${fixture.worker.httpUrl}/openapi.json`)).json());
    expect(paths).not.toContain('profile');
    expect((await fetch(`${fixture.worker.httpUrl}/profile`, { method: 'POST' })).status).toBe(404);
  });
});

describe('a worker that may not be profiled', () => {
  it('says so, and which option allows it', async () => {
    await using fixture = await WorkerFixture.start({
      backends: { process: { enabled: false }, simulated: { enabled: true } },
      defaultBackends: ['simulated'],
      http: { enabled: false },
    });
    await using client = await connect(fixture.worker.socketPath);
    const refused = await rejection(client.call('profile', { ms: 100 }));
    expect([refused.errorClass, refused.message]).toEqual([
      'unavailable',
      expect.stringContaining('profiling.enabled'),
    ]);
  });
});
