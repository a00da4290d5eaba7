import { execFile, spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { floorProgram } from '../../bench/lib/floor.js';
import { Stage } from './support.js';

/** The floor programs of the benches: a floor that lost or mixed up requests would be a wrong measure. They are peers written independently of the addon, too. */
let stage: Stage;
beforeEach(() => {
  stage = new Stage();
});
afterEach(() => stage.end());

const exec = promisify(execFile);

async function load(path: string, ...options: string[]): Promise<{ requests: number; errors: number }> {
  const { stdout } = await exec(floorProgram('load'), ['--socket', path, ...options]);
  return JSON.parse(stdout) as { requests: number; errors: number };
}

describe('bench/floor', () => {
  it.each([
    ['1', '1'],
    ['1', '16'],
    ['32', '4'],
  ])('load with %s clients and %s requests each against the addon', async (clients, pipeline) => {
    const server = stage.echo();
    const body = JSON.stringify('x'.repeat(3000));
    const options = [
      '--clients',
      clients,
      '--pipeline',
      pipeline,
      '--requests',
      '2000',
      '--warmup',
      '10',
      '--body',
      body,
    ];
    expect(await load(server.path, ...options)).toMatchObject({ requests: 2000, errors: 0 });
    expect(server.transport.counters().payloadsLive).toBe(0);
  });

  it('relay hands requests to Python agents, and errors back', async () => {
    mkdirSync(join(stage.folder, 'function'));
    writeFileSync(join(stage.folder, 'function', 'main.py'), 'def main(args):\n    return 1 // args["n"]\n');
    const path = stage.path();
    const assign = {
      ...{ function: 'divide@1', runtime: 'python3', code: 'function', layers: [], entry: 'main:main', env: {} },
      ...{ maxBody: 1 << 20, outputBytes: 65536, seed: '00'.repeat(32), legacy: null, argv: [] },
    };
    const agent = fileURLToPath(new URL('../../src/agents/python/agent.py', import.meta.url));
    const relay = spawn(
      floorProgram('relay'),
      ['--socket', path, '--agents', '2', '--assign', JSON.stringify(assign), '--', '/usr/bin/python3', '-S', agent],
      { env: { ...process.env, ILUVATAR_STORE: stage.folder }, stdio: ['ignore', 'pipe', 'inherit'] },
    );
    stage.atEnd(() => relay.kill('SIGKILL'));
    await new Promise<void>((resolve, reject) => {
      relay.stdout.once('data', () => resolve());
      relay.once('exit', (code) => reject(new Error(`the relay ended with ${code}`)));
    });
    const many = ['--clients', '8', '--pipeline', '2', '--requests', '500'];
    expect(await load(path, ...many, '--body', '{"n":1}')).toMatchObject({ requests: 500, errors: 0 });
    expect(await load(path, ...many, '--body', '{"n":0}')).toMatchObject({ requests: 500, errors: 500 });
    const ended = new Promise((resolve) => relay.once('exit', resolve));
    relay.kill('SIGTERM');
    expect(await ended).toBe(0);
  });
});
