import type { ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { iluvatar, type Ran } from './run.js';

/** `iluvatar worker` itself, with a real worker behind it. */

let folder: string;
let env: Record<string, string>;
const running: { child: ChildProcess; ended: Promise<Ran> }[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'iluvatar-cli-worker-'));
  const name = `cli-${process.pid}`;
  env = { ILUVATAR__DATA_DIR: join(folder, 'data'), ILUVATAR__NAME: name };
});

afterEach(async () => {
  // Asked first: a worker that is killed cannot take its cgroups away.
  for (const { child, ended } of running.splice(0)) {
    if (child.exitCode === null) child.kill('SIGTERM');
    const late = setTimeout(() => child.kill('SIGKILL'), 20_000);
    await ended;
    clearTimeout(late);
  }
  rmSync(folder, { recursive: true, force: true });
});

/** Resolves with what it prints once it is ready; rejects when it ends before. */
function startWorker(...args: string[]): Promise<{ child: ChildProcess; ended: Promise<Ran>; stdout: string }> {
  return new Promise((resolve, reject) => {
    const ended = iluvatar(['worker', '--http-port', '0', ...args], {
      env,
      started: (child) => {
        let stdout = '';
        child.stdout?.on('data', (text: string) => {
          stdout += text;
          if (stdout.endsWith('\n')) resolve({ child, ended, stdout });
        });
        setImmediate(() => running.push({ child, ended }));
      },
    });
    ended.then(({ code, stderr }) => reject(new Error(`the worker ended with ${code}: ${stderr}`)), reject);
  });
}

describe('worker', () => {
  it('serves until SIGTERM, ends with 0, and leaves no socket', async () => {
    const { child, ended, stdout } = await startWorker('--json');
    const ready = JSON.parse(stdout) as { name: string; pid: number; socket: string; http: string };
    expect(ready).toMatchObject({ name: env.ILUVATAR__NAME, pid: child.pid, socket: join(folder, 'data/worker.sock') });
    expect(ready.http).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    mkdirSync(join(folder, 'greet'));
    writeFileSync(
      join(folder, 'greet/main.py'),
      'def main(args):\n    print("out")\n    return {"hello": args["name"]}\n',
    );
    const registered = await iluvatar(['register', join(folder, 'greet'), '--upload', '--json'], { env });
    expect([registered.code, JSON.parse(registered.stdout)]).toMatchObject([0, { name: 'greet', runtime: 'python3' }]);
    const invoked = await iluvatar(['invoke', 'greet', '-a', 'name=world'], { env });
    expect([invoked.code, invoked.stdout]).toEqual([0, '{"hello":"world"}\n']);
    expect(invoked.stderr).toMatch(/^out\n(cold|prewarm|warm): queue /);
    const failed = await iluvatar(['invoke', 'greet'], { env });
    expect([failed.code, failed.stdout]).toEqual([1, '']);
    expect(failed.stderr).toContain("KeyError: 'name'");
    expect((await iluvatar(['health'], { env })).code).toBe(0);
    expect((await iluvatar(['logs', '--json'], { env })).stdout).toContain('"module":"worker"');
    child.kill('SIGTERM');
    const { code, stderr } = await ended;
    expect([code, stderr]).toEqual([0, 'SIGTERM: finishing what runs; once more stops at once\n']);
    expect(existsSync(ready.socket)).toBe(false);
    expect((await iluvatar(['ping'], { env })).code).toBe(3);
  });

  it('starts without the engines that it is to prefer, and says so', async () => {
    const address = join(folder, 'none.sock');
    const engine = ['--set', `backends.containerd.address=${address}`];
    const { child, ended } = await startWorker('--backend', 'containerd,process', ...engine);
    const health = await iluvatar(['health'], { env });
    expect(health.code).toBe(3);
    expect(health.stdout).toContain('backend process: healthy');
    expect(health.stdout).toContain(`containerd at ${address} is away`);
    expect(health.stdout).toContain('backends.containerd.address');
    mkdirSync(join(folder, 'greet'));
    writeFileSync(join(folder, 'greet/main.py'), 'def main(args):\n    return 1\n');
    const registered = await iluvatar(['register', join(folder, 'greet'), '--backend', 'process'], { env });
    expect(registered.code).toBe(0);
    expect((await iluvatar(['list'], { env })).stdout).toMatch(/greet@1 +python3 +process /);
    const missing = await iluvatar(['register', join(folder, 'greet'), '--backend', 'docker'], { env });
    expect(missing.stderr).toContain('"docker" is not on this worker; it has: process, containerd');
    child.kill('SIGTERM');
    const { code, stderr } = await ended;
    expect(code).toBe(0);
    expect(stderr).toMatch(/^backend containerd is not healthy: .*none\.sock.*\(iluvatar doctor\)\n/);
    const unknown = await iluvatar(['worker', '--backend', 'contanerd'], { env });
    expect([unknown.code, unknown.stderr]).toEqual([2, expect.stringContaining('there are: process, containerd,')]);
  });

  it('refuses to start beside another one on the same socket', async () => {
    const { child, ended } = await startWorker();
    const second = await iluvatar(['worker', '--http-port', '0', '--name', `${env.ILUVATAR__NAME}-b`], { env });
    expect([second.code, second.stdout]).toEqual([8, '']);
    expect(second.stderr).toMatch(/^conflict: /);
    // The first one is none the worse for it.
    expect((await iluvatar(['ping'], { env })).code).toBe(0);
    child.kill('SIGINT');
    expect((await ended).code).toBe(0);
  });
});
