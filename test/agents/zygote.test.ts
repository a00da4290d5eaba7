import { existsSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Status, text, value } from './harness.js';
import { type Cell, type Peer, ZYGOTES_UNAVAILABLE, ZygoteHarness } from './spawner-harness.js';

if (ZYGOTES_UNAVAILABLE !== null) console.log(`zygote tests skipped: ${ZYGOTES_UNAVAILABLE}`);

describe.skipIf(ZYGOTES_UNAVAILABLE !== null)('zygote', () => {
  const harness = new ZygoteHarness();
  let base: Peer;

  beforeAll(async () => {
    harness.put('code/random', {
      'main.py':
        'import random, uuid, tempfile, ssl, secrets, os, sys, multiprocessing\nearly = random.random()\ndef main(args):\n' +
        '    numpy = sys.modules.get("numpy")\n' +
        '    name = os.path.basename(tempfile.mktemp())\n' +
        '    return {"early": early, "legacy": repr(numpy.random.random() if numpy else random.random()), "key": multiprocessing.current_process().authkey.hex(), "node": uuid.getnode(), "random": [random.random() for _ in range(3)], "uuid1": str(uuid.uuid1()), "uuid4": str(uuid.uuid4()), "temp": name, "ssl": ssl.RAND_bytes(8).hex(), "secret": secrets.token_hex(8)}\n',
    });
    harness.put('code/look', {
      'main.py':
        'import os, sys, threading, signal\ndef main(args):\n' +
        '    return {"uid": os.getuid(), "env": dict(os.environ), "path": sys.path, "cwd": os.getcwd(), "threads": threading.active_count(), "fds": sorted(int(n) for n in os.listdir("/proc/self/fd"))}\n',
    });
    harness.put('code/forks', {
      'main.py':
        'import logging, os, sys, threading\ndef main(args):\n' +
        '    hooks = [threading._after_fork.__code__.co_name, logging._after_at_fork_child_reinit_locks.__code__.co_name]\n' +
        '    stop = threading.Event()\n    waits = threading.Thread(target=stop.wait)\n    waits.start()\n' +
        '    reads, writes = os.pipe()\n' +
        '    pid = os.fork()\n    if pid == 0:\n        os.write(writes, str(threading.active_count()).encode())\n        os._exit(0)\n' +
        '    os.waitpid(pid, 0)\n    before = threading.active_count()\n    stop.set()\n    waits.join()\n' +
        '    return {"hooks": hooks, "before": before, "child": os.read(reads, 9).decode(), "rehearsed": [name for name in sys.modules if "rehearsed" in name], "main": sys.modules["__main__"].__dict__.get("rehearse") is None}\n',
    });
    harness.put('code/heavy', {
      'main.py':
        'import heavy_package\nimport heavy_package.lazy\ndef main(args): return [heavy_package.LOADED_BY == __import__("os").getpid(), heavy_package.lazy.x, heavy_package.__file__]',
    });
    harness.put('layers/abc123', {
      'heavy_package/__init__.py': 'import os\nLOADED_BY = os.getpid()\n',
      'heavy_package/lazy.py': 'x = 5\n',
      'starts_threads.py':
        'import threading, time\nthreading.Thread(target=time.sleep, args=(600,), daemon=True).start()\n',
      'exits.py': 'raise SystemExit(3)\n',
      // Has used each generator before anybody forks, so that its state is there to be inherited.
      'uses_randomness.py':
        'import random, ssl, tempfile, uuid\nrandom.random(); uuid.uuid1(); uuid.getnode(); next(tempfile._get_candidate_names()); ssl.RAND_bytes(8)\ntry:\n    import numpy.random\n    numpy.random.random()\nexcept ImportError:\n    pass\n',
    });
    base = await harness.start([
      'json',
      'random',
      'uuid',
      'traceback',
      'asyncio',
      'tempfile',
      'ssl',
      'multiprocessing',
    ]);
  });

  afterAll(async () => {
    expect(await harness.stop()).toBe(0);
    expect(harness.log).toBe('');
  });

  test('containers of one zygote share no randomness, even if its packages have used it', async () => {
    expect((await harness.zygote(base, 'random', ['/layers/abc123'], ['uses_randomness'])).meta).toEqual({});
    const spawner = await harness.peer((hello) => hello['name'] === 'random');
    const seen: Record<string, unknown>[] = [];
    for (let i = 0; i < 5; i++) {
      const cell = await harness.spawn(spawner);
      const ready = await cell.assign({ code: 'code/random', layers: ['layers/abc123'], entry: 'main:main' });
      expect([ready.status, ready.meta]).toEqual([Status.ok, {}]);
      seen.push(value(await cell.invoke({})) as Record<string, unknown>);
    }
    for (const field of Object.keys(seen[0] as object)) {
      const values = seen.map((one) => JSON.stringify(one[field]));
      expect([field, new Set(values).size]).toEqual([field, 5]);
    }
  });

  test('what a function finds: nothing of the zygote’s configuration, its own environment, its descriptors', async () => {
    const cell = await harness.spawn(base);
    const ready = await cell.assign({ code: 'code/look', entry: 'main:main', env: { MINE: 'x' } });
    expect([ready.status, ready.meta]).toEqual([Status.ok, {}]);
    const found = value(await cell.invoke({})) as {
      uid: number;
      env: Record<string, string>;
      path: string[];
      cwd: string;
      threads: number;
      fds: number[];
    };
    expect(found.uid).toBe(64_999);
    expect(found.env).toMatchObject({ MINE: 'x', FROM_SPAWN: 'yes' });
    expect(Object.keys(found.env).filter((name) => /ILUVATAR|THREADS/.test(name))).toEqual([]);
    expect(found.path[0]).toBe(found.cwd);
    expect(found.path.filter((folder) => folder.includes('agents/python'))).toEqual([]);
    expect(found.threads).toBe(1);
    // 4 is free again, and so the folder being listed has it.
    expect(found.fds).toEqual([0, 1, 2, 3, 4]);
  });

  test('a function that forks: the standard library does in its child what it always does', async () => {
    const cell = await harness.spawn(base);
    await cell.assign({ code: 'code/forks', entry: 'main:main' });
    expect(value(await cell.invoke({}))).toEqual({
      hooks: ['_after_fork', '_after_at_fork_child_reinit_locks'],
      before: 2,
      child: '1',
      rehearsed: [],
      main: true,
    });
  });

  test('a child zygote has packages of a layer loaded, at the same path as the container', async () => {
    const answer = await harness.zygote(base, 'heavy', ['/layers/abc123'], ['heavy_package']);
    expect([answer.status, answer.meta]).toEqual([Status.ok, {}]);
    const heavy = await harness.peer((hello) => hello['name'] === 'heavy');
    const cell = await harness.spawn(heavy);
    const ready = await cell.assign({ code: 'code/heavy', layers: ['layers/abc123'], entry: 'main:main' });
    expect([ready.status, ready.meta]).toEqual([Status.ok, {}]);
    expect(value(await cell.invoke({}))).toEqual([false, 5, '/layers/abc123/heavy_package/__init__.py']);
    // And the parent is as it was.
    const plain = await harness.spawn(base);
    await plain.assign({ code: 'code/heavy', layers: ['layers/abc123'], entry: 'main:main' });
    expect((value(await plain.invoke({})) as unknown[])[0]).toBe(true);
  });

  test.each([
    ['nothing_like_this', /ModuleNotFoundError.*nothing_like_this/],
    ['exits', /SystemExit: 3/],
    ['starts_threads', /starts threads/],
  ])('a child zygote that cannot import %s says so, and its parent goes on', async (module, message) => {
    const answer = await harness.zygote(base, `broken-${module}`, ['/layers/abc123'], [module]);
    expect(answer.status).toBe(Status.startFailed);
    expect(text(answer, 'message')).toMatch(message);
    const cell: Cell = await harness.spawn(base);
    expect((await cell.assign({ code: 'code/look', entry: 'main:main' })).status).toBe(Status.ok);
  });

  test('code that cannot be loaded: READY, then EXITED', async () => {
    const cell = await harness.spawn(base);
    const ready = await cell.assign({ code: 'code/look', entry: 'main:missing' });
    expect(ready.status).toBe(Status.startFailed);
    expect((await cell.exited()).x0).toBe(1);
  });

  test('a stem cell that nobody wants ends with its supervisor', async () => {
    const cell = await harness.spawn(base);
    cell.supervisor.close();
    await expect
      .poll(() => existsSync(`/proc/${cell.pid}`) && !readFileSync(`/proc/${cell.pid}/stat`, 'utf8').includes(') Z '), {
        timeout: 10_000,
      })
      .toBe(false);
  });
});
