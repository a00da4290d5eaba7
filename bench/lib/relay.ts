import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { firstLine } from './child.js';
import { floorProgram } from './floor.js';

/** The floor of a warm invocation: the C relay with the same Python agents, running a no-op function outside any sandbox. */
export interface Relay extends AsyncDisposable {
  readonly socket: string;
}

export const NO_OP = 'def main(args):\n    return None\n';

const AGENT = fileURLToPath(new URL('../../src/agents/python/agent.py', import.meta.url));

export async function startRelay(agents: number): Promise<Relay> {
  const folder = mkdtempSync(join(tmpdir(), 'iluvatar-bench-relay-'));
  const socket = join(folder, 'relay.sock');
  mkdirSync(join(folder, 'noop'));
  writeFileSync(join(folder, 'noop', 'main.py'), NO_OP);
  const assign = {
    function: 'noop@1',
    runtime: 'python3',
    code: 'noop',
    layers: [],
    entry: 'main:main',
    handlerArgs: null,
    env: {},
    tmpMb: 0,
    maxBody: 67_108_864,
    outputBytes: 65_536,
    seed: '00',
    legacy: null,
    concurrency: 1,
  };
  const python = execFileSync('python3', ['-c', 'import sys; print(sys.executable)'], { encoding: 'utf8' }).trim();
  const args = [
    '--socket',
    socket,
    '--agents',
    `${agents}`,
    '--assign',
    JSON.stringify(assign),
    '--',
    python,
    '-I',
    AGENT,
  ];
  const child = spawn(floorProgram('relay'), args, {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ILUVATAR_STORE: folder },
  });
  await firstLine(child, 'the relay');
  return {
    socket,
    async [Symbol.asyncDispose]() {
      const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
      child.kill('SIGTERM');
      await exited;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
