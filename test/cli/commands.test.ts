import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { extract } from 'tar-stream';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Answer, type FakeWorker, refuse, startFakeWorker } from '../client/fake-worker.js';
import { iluvatar, type Ran, type RunOptions } from './run.js';

/** Every command against the worker's side of the protocol, in processes of their own. */

let worker: FakeWorker;
let folder: string;
let answer: Answer = () => null;

beforeAll(() => {
  worker = startFakeWorker((call) => answer(call));
  folder = mkdtempSync(join(tmpdir(), 'iluvatar-cli-test-'));
});
afterAll(() => {
  worker.stop();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(() => {
  worker.calls.length = 0;
  worker.invocations.length = 0;
  worker.cancelled.length = 0;
});

function cli(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  return iluvatar(args, { ...options, env: { ILUVATAR__SOCKET: worker.socket, ...options.env } });
}

const FUNCTION = {
  name: 'hello',
  version: '1',
  digest: 'abc',
  handle: 1,
  runtime: 'python3',
  memoryMb: 128,
  cpus: 1,
  timeoutMs: 60_000,
  backends: ['process'],
  queued: 0,
  running: 1,
  containers: 2,
};

describe('invoke', () => {
  it('prints the result alone on standard output and the rest on standard error', async () => {
    const { code, stdout, stderr } = await cli([
      'invoke',
      'echo@2',
      '-a',
      'n=3',
      '-a',
      's=two words',
      '--tid',
      'T',
      '-t',
      '5s',
    ]);
    expect([code, stdout]).toEqual([0, '{"n":3,"s":"two words"}\n']);
    expect(stderr).toBe('printed\nwarm: queue 12 µs, run 345 µs (throttled 67 µs), tid T\n');
    expect(worker.invocations[0]).toMatchObject({
      meta: { function: 'echo', version: '2', tid: 'T' },
      timeoutMs: 5000,
    });
  });

  it('prints the whole answer with --json', async () => {
    const { code, stdout, stderr } = await cli(['invoke', '--json', 'echo', '[1]']);
    expect([code, stderr]).toEqual([0, '']);
    expect(JSON.parse(stdout)).toMatchObject({
      result: [1],
      tid: 'fake-tid',
      containerState: 'warm',
      stdout: 'printed\n',
    });
  });

  it('takes arguments from a file and from standard input, as they are', async () => {
    const file = join(folder, 'arguments.json');
    writeFileSync(file, '{"big": 12345678901234567890}');
    expect((await cli(['invoke', 'echo', `@${file}`])).code).toBe(0);
    expect((await cli(['invoke', 'echo', '-'], { input: '{"from": "stdin"}' })).stdout).toBe('{"from":"stdin"}\n');
    expect(worker.invocations.map(({ body }) => body)).toEqual(['{"big": 12345678901234567890}', '{"from": "stdin"}']);
  });

  it.each([
    ['fail-user_error', 1],
    ['fail-timeout', 6],
    ['fail-out_of_memory', 9],
    ['unknown', 4],
  ])('%s exits %d', async (name, expected) => {
    const { code, stdout, stderr } = await cli(['invoke', name]);
    expect([code, stdout]).toEqual([expected, '']);
    expect(stderr).toMatch(/^[a-z_]+: /);
    if (name === 'fail-user_error') {
      expect(stderr).toBe('user_error: failed as fail-user_error\ntraceback:\nline 1\nline 2\ntry again in: 7 ms\n');
    }
  });

  it('tells failures as one JSON line with --json', async () => {
    const { code, stderr } = await cli(['--json', 'invoke', 'fail-overloaded']);
    expect(code).toBe(5);
    expect(JSON.parse(stderr)).toEqual({
      error: {
        class: 'overloaded',
        message: 'failed as fail-overloaded',
        details: { traceback: 'line 1\nline 2', retryAfterMs: 7 },
      },
    });
  });

  it('gives up on Ctrl-C and tells the worker', async () => {
    const { code, stderr } = await cli(['invoke', 'hold'], {
      started: (child) => {
        let polls = 0;
        const poll = setInterval(() => {
          if (++polls > 2000 || worker.invocations.length > 0) {
            clearInterval(poll);
            child.kill('SIGINT');
          }
        }, 10);
      },
    });
    expect([code, stderr]).toEqual([130, 'cancelled: the caller gave up\n']);
    // The process may be seen to end before its last frame is read.
    for (let polls = 0; polls < 2000 && worker.cancelled.length === 0; polls++) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect(worker.cancelled).toHaveLength(1);
  });

  it('refuses what is no JSON before anything is sent', async () => {
    const both = await cli(['invoke', 'echo', '{}', '-a', 'x=1']);
    const broken = await cli(['invoke', 'echo', '{"a":']);
    expect([both.code, broken.code]).toEqual([2, 2]);
    expect(broken.stderr).toContain('usage: the arguments are not JSON');
    expect(worker.invocations).toEqual([]);
  });

  it('prints an id with --async, and "result" the result', async () => {
    answer = ({ method, params }) => {
      if (method === 'invokeAsync') return { id: 'id-7' };
      if (params.id === 'failed') {
        return {
          id: 'failed',
          status: 'failed',
          result: null,
          error: { errorClass: 'crashed', message: 'SIGSEGV', details: null },
        };
      }
      if (params.id === 'later') return { id: 'later', status: 'queued', result: null, error: null };
      const phases = { queueUs: 1, startUs: 2000, runUs: 3_000_000, throttledUs: 1_500_000 };
      const result = {
        result: { ok: 1 },
        tid: 't',
        containerState: 'cold',
        phases,
        attempts: 2,
        stdout: '',
        stderr: '',
      };
      return { id: params.id, status: 'done', result, error: null };
    };
    expect((await cli(['invoke', 'echo', '--async', '-a', 'x=1'])).stdout).toBe('id-7\n');
    expect(worker.calls[0]).toMatchObject({ params: { name: 'echo', version: '1' } });
    expect(worker.calls[0]?.body.toString()).toBe('{"x":1}');
    const done = await cli(['result', 'id-7', '--wait', '2s']);
    expect([done.code, done.stdout]).toEqual([0, '{"ok":1}\n']);
    expect(done.stderr).toBe('cold: queue 1 µs, start 2.00 ms, run 3.00 s (throttled 1.50 s), 2 attempts, tid t\n');
    expect(worker.calls[1]?.params).toEqual({ id: 'id-7', waitMs: 2000 });
    expect(await cli(['result', 'failed'])).toEqual({ code: 9, stdout: '', stderr: 'crashed: SIGSEGV\n' });
    expect((await cli(['result', 'later'])).stdout).toBe('not finished yet\n');
  });
});

describe('register', () => {
  it('sends images by reference or absolute path, and backends in order', async () => {
    answer = () => FUNCTION;
    const image = ['--image', 'ghcr.io/me/my-shop:1', '--backend', 'docker,containerd', '--backend', 'docker'];
    const command = ['--read-only', '--command', 'serve', '80'];
    const [byReference, byPath, source] = [
      await cli(['register', ...image, ...command]),
      await cli(['register', '--image', './shop.tar', '--no-read-only', '--name', 'x'], { cwd: folder }),
      await cli(['register', folder, '--name', 'y', '--base', '../base', '--backend', 'process'], { cwd: folder }),
    ];
    expect([byReference.code, byPath.code, source.code]).toEqual([0, 0, 0]);
    expect(byReference.stdout).toMatch(/backends +process/);
    const [first, second, third] = worker.calls.map(({ params }) => (params as { definition: object }).definition);
    expect(first).toEqual({
      name: 'my-shop',
      image: 'ghcr.io/me/my-shop:1',
      backends: ['docker', 'containerd'],
      command: ['serve', '80'],
      readOnlyRoot: true,
    });
    expect(second).toEqual({ name: 'x', image: join(folder, 'shop.tar'), readOnlyRoot: false });
    expect(third).toEqual({ name: 'y', source: folder, base: join(folder, '../base'), backends: ['process'] });
  });

  it.each([
    [[], 'a function needs its source'],
    [['.', '--image', 'debian'], 'not both'],
    [['--image', 'debian', '--upload'], '--upload sends source'],
    [['.', '--backend', ','], '--backend needs a name'],
  ])('refuses %j', async (args, why) => {
    const { code, stderr } = await cli(['register', ...args]);
    expect([code, stderr]).toEqual([2, expect.stringContaining(why)]);
    expect(worker.calls).toEqual([]);
  });

  it('sends the absolute path and only what was given, and shows progress', async () => {
    mkdirSync(join(folder, 'my function'));
    answer = ({ progress }) => {
      progress('installing numpy');
      return FUNCTION;
    };
    const args = [
      'register',
      'my function',
      '-m',
      '1g',
      '-c',
      '0.5',
      '-t',
      '2m',
      '--env',
      'A=b=c',
      '--replace',
      '--no-zygote',
    ];
    const { code, stdout, stderr } = await cli([...args, '--version', '3', '--definition', '{"labels":{"a":"b"}}'], {
      cwd: folder,
    });
    expect(code).toBe(0);
    expect(stderr).toBe('installing numpy\n');
    expect(stdout).toContain('hello@1');
    expect(worker.calls[0]?.params).toEqual({
      definition: {
        name: 'my-function',
        version: '3',
        source: join(folder, 'my function'),
        memoryMb: 1024,
        cpus: 0.5,
        timeoutMs: 120_000,
        env: { A: 'b=c' },
        labels: { a: 'b' },
        zygote: false,
      },
      replace: true,
    });
    expect(worker.calls[0]?.body).toHaveLength(0);
  });

  it('uploads a folder: the same bytes every time, without what is made again', async () => {
    answer = () => FUNCTION;
    const source = join(folder, 'upload');
    for (const name of ['', 'sub', '__pycache__', 'node_modules']) mkdirSync(join(source, name), { recursive: true });
    writeFileSync(join(source, 'main.py'), 'def main(): pass\n');
    writeFileSync(join(source, 'sub/tool'), '#!/bin/sh\n');
    chmodSync(join(source, 'sub/tool'), 0o700);
    writeFileSync(join(source, 'node_modules/x.js'), '');
    symlinkSync('main.py', join(source, 'link.py'));
    expect((await cli(['register', source, '--upload'])).stderr).toMatch(/^packed 3 files, \d+ KiB to upload\n$/);
    await cli(['register', source, '--upload']);
    const [first, second] = worker.calls;
    expect(first?.body.length).toBeGreaterThan(0);
    expect(first?.body.equals(second?.body as Buffer)).toBe(true);
    expect(await entriesOf(first?.body as Buffer)).toEqual([
      ['link.py', 'symlink', 0o777],
      ['main.py', 'file', 0o644],
      ['sub/tool', 'file', 0o755],
    ]);
  });

  it('uploads a single file under the name that an entry point is looked for by', async () => {
    answer = () => FUNCTION;
    const source = join(folder, 'resize.py');
    writeFileSync(source, 'def main(): pass\n');
    await cli(['register', source, '--upload']);
    await cli(['register', source, '--upload', '--entry', 'resize:main']);
    expect(await entriesOf(worker.calls[0]?.body as Buffer)).toEqual([['main.py', 'file', 0o644]]);
    expect(await entriesOf(worker.calls[1]?.body as Buffer)).toEqual([['resize.py', 'file', 0o644]]);
    expect(worker.calls[0]?.params.definition).toMatchObject({ name: 'resize' });
  });

  it('exits 8 on a conflict and 2 when there is no source', async () => {
    answer = () => refuse('conflict', 'hello@1 is there already and differs; use replace');
    const conflict = await cli(['register', folder, '--name', 'hello']);
    expect([conflict.code, conflict.stderr]).toEqual([
      8,
      'conflict: hello@1 is there already and differs; use replace\n',
    ]);
    const nothing = await cli(['register', '/nonexistent/source']);
    expect([nothing.code, nothing.stderr]).toEqual([2, 'usage: /nonexistent/source is not there\n']);
  });
});

describe('the rest', () => {
  it('list, unregister, prewarm, clean, estimate, ping', async () => {
    const answers: Record<string, unknown> = {
      list: [FUNCTION, { ...FUNCTION, name: 'a-longer-name', version: '12' }],
      prewarm: { containers: 2 },
      clean: { removed: 1 },
      estimate: { estimates: [0, 0.0123] },
      ping: { pong: true, name: 'fake', version: '9' },
    };
    answer = ({ method }) => answers[method];
    const [list, unregister, prewarm, clean, estimate, ping] = await Promise.all([
      cli(['list']),
      cli(['unregister', 'hello@2']),
      cli(['prewarm', 'hello', '-n', '2']),
      cli(['clean', '--json']),
      cli(['estimate', 'hello', 'other@3']),
      cli(['ping']),
    ]);
    expect(list.stdout).toBe(
      'FUNCTION          RUNTIME  BACKENDS   MEMORY  CPUS  TIMEOUT  CONTAINERS  RUNNING  QUEUED\n' +
        'hello@1           python3  process   128 MiB     1     60 s           2        1       0\n' +
        'a-longer-name@12  python3  process   128 MiB     1     60 s           2        1       0\n',
    );
    expect(unregister.stdout).toBe('removed hello@2\n');
    expect(prewarm.stdout).toBe('hello@1: 2 prewarmed\n');
    expect(clean.stdout).toBe('{"removed":1}\n');
    expect(estimate.stdout).toBe('FUNCTION    ESTIMATE\nhello@1   never seen\nother@3      12.3 ms\n');
    expect(ping.stdout).toMatch(/^fake 9 answered in [\d.]+ (µs|ms)\n$/);
    expect(worker.calls.find(({ method }) => method === 'estimate')?.params).toEqual({
      functions: [
        { name: 'hello', version: '1' },
        { name: 'other', version: '3' },
      ],
    });
  });

  it('status and health; health exits 3 when it is not', async () => {
    const memory = {
      runningMb: 128,
      cachedMb: 256,
      totalMb: 384,
      budgetMb: 1000,
      runningContainers: 1,
      cachedContainers: 2,
    };
    const status = {
      name: 'fake',
      version: '9',
      uptimeS: 3725,
      addresses: { http: '127.0.0.1:80', grpc: null },
      running: 1,
      host: { cpuPercent: 50, loadPerCore: 0.5 },
      state: 'running',
      memory,
      cpu: { slots: 2, used: 1 },
      queue: { length: 3, limit: 10 },
      queues: {
        cpu: { length: 2, expectedUs: 1, throughput: 0, activeFunctions: 1, policy: null },
        gpu: { length: 1, expectedUs: 1, throughput: 0, activeFunctions: 1, policy: null },
      },
      gpus: [
        { index: 0, present: true, containers: 2, running: 1, reservedMb: 640, utilization: 49.6 },
        { index: 1, present: false, containers: 0, running: 0, reservedMb: 0, utilization: 0 },
      ],
      functions: 3,
      backends: {
        process: { containers: 2, creations: 9, creationsFailed: 0, avoided: 0 },
        containerd: { containers: 0, creations: 4, creationsFailed: 3, avoided: 1 },
      },
      counters: { invocations: 5 },
      shards: [{ id: 0, state: 'running', restarts: 1 }],
      async: { waiting: 3, running: 1, oldestAgeMs: 2000, deadLetters: 4, schedules: 5 },
    };
    const health = {
      healthy: false,
      notes: ['no cgroups'],
      backends: [{ name: 'process', healthy: true, notes: [] }],
      threads: [{ name: 'shard-0', state: 'running', restarts: 1, lastError: 'boom' }],
      tasks: [
        { name: 'memory-sampler', state: 'running', restarts: 0, lastError: null },
        { name: 'pressure-monitor', state: 'restarting', restarts: 2, lastError: 'no /proc' },
      ],
    };
    answer = ({ method }) => (method === 'status' ? status : health);
    const [shown, json, sick] = await Promise.all([cli(['status']), cli(['status', '--json']), cli(['health'])]);
    expect(shown.stdout).toContain('fake 9, running, up 1 h 2 m');
    expect(shown.stdout).toContain('384 of 1000 MiB: 128 running (1 containers), 256 cached (2)');
    expect(shown.stdout).toContain('3 of 10: 2 for the CPU, 1 for GPUs');
    expect(shown.stdout).toMatch(/async +3 waiting, 1 running, the oldest for 2 s; 4 dead letters, 5 schedules\n/);
    expect(shown.stdout).toMatch(/process +2 containers, 9 begun\n/);
    expect(shown.stdout).toMatch(/containerd +0 containers, 4 begun, 3 failed; avoided/);
    expect(shown.stdout).toMatch(/gpu 0 +1 running, 2 containers, 640 MiB, 50 %\n\s*gpu 1 +lost/);
    expect(JSON.parse(json.stdout)).toEqual(status);
    expect(sick).toEqual({
      code: 3,
      stdout:
        'not healthy\n  no cgroups\nbackend process: healthy\nthread shard-0: running, 1 restarts (boom)\n' +
        'task pressure-monitor: restarting, failed 2 times (no /proc)\n',
      stderr: '',
    });
  });

  it('exits 3 when no worker is there, 2 on a wrong command line, 7 on a refused configuration', async () => {
    const [absent, unknown, option, wrong, json] = await Promise.all([
      cli(['list', '--socket', join(folder, 'none.sock')]),
      cli(['lst']),
      cli(['list', '--jsno']),
      cli(['list', '--set', 'http.prot=1']),
      cli(['list', '--json', '--bad']),
    ]);
    expect([absent.code, unknown.code, option.code, wrong.code, json.code]).toEqual([3, 2, 2, 7, 2]);
    expect(absent.stderr).toContain('no worker listens at');
    expect(unknown.stderr).toContain('Did you mean list?');
    expect(wrong.stderr).toContain('did you mean "http.port"?');
    expect(JSON.parse(json.stderr)).toEqual({
      error: { class: 'usage', message: "unknown option '--bad'", details: {} },
    });
  });

  it('has examples in the help of every command', async () => {
    const { buildProgram } = await import('../../src/cli/program.js');
    const { cliPage } = await import('../../scripts/cli-page.js');
    const names = buildProgram().commands.map((command) => command.name());
    expect(names).toHaveLength(31);
    const page = cliPage();
    for (const name of names)
      expect(page).toMatch(new RegExp(`### iluvatar ${name}\n[^#]*Examples:\n  \\$ iluvatar ${name}`));
    const help = await cli(['invoke', '--help']);
    expect([help.code, help.stderr]).toEqual([0, '']);
    expect(help.stdout).toContain('Examples:');
  });
});

async function entriesOf(archive: Buffer): Promise<[string, string, number][]> {
  const entries: [string, string, number][] = [];
  const unpack = extract();
  unpack.end(gunzipSync(archive));
  for await (const entry of unpack) {
    entries.push([entry.header.name, entry.header.type ?? '', entry.header.mode ?? 0]);
    entry.resume();
  }
  return entries;
}
