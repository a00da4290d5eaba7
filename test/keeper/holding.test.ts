import { closeSync, existsSync, ftruncateSync, readFileSync, readlinkSync, statSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { native, nativeFile } from '../../src/native.js';
import { describeHeld, inodeOf, Stage } from './stage.js';

let stage: Stage;
beforeEach(() => {
  stage = new Stage();
});
afterEach(() => stage.dispose());

describe('what is held', () => {
  it('comes back with its key, its text and the same open files', async () => {
    const keeper = await stage.open();
    const marks = native().keeper.marks(100);
    const file = stage.file();
    keeper.hold('both', '{"name":"grün"}', [marks.fd, file]);
    keeper.hold('none', '', []);
    keeper.hold('ü'.repeat(127), 'x'.repeat(32 * 1024), [file]);
    const held = await keeper.list();
    expect(held.map(({ key, text, fds }) => [key, text, fds.length])).toEqual([
      ['both', '{"name":"grün"}', 2],
      ['none', '', 0],
      ['ü'.repeat(127), 'x'.repeat(32 * 1024), 1],
    ]);
    const [memory = -1, null_ = -1] = held[0]?.fds ?? [];
    expect([inodeOf(memory), inodeOf(null_)]).toEqual([inodeOf(marks.fd), inodeOf(file)]);
    // Close-on-exec is bit 02000000 of `flags`: a child that inherited it would hold the container's connection.
    const flags = /^flags:\s+(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${memory}`, 'utf8'))?.[1];
    expect(Number.parseInt(flags as string, 8) & 0o2000000).not.toBe(0);
    describeHeld(held);
    closeSync(marks.fd);
  });

  it('is replaced in its place, dropped, and asked for by several at once', async () => {
    const keeper = await stage.open();
    const file = stage.file();
    keeper.hold('a', '1', [file]);
    keeper.hold('b', '2', [file, file]);
    const first = keeper.list();
    keeper.hold('a', '3', []);
    keeper.drop('b');
    keeper.drop('was never held');
    const [before, after, again] = await Promise.all([first, keeper.list(), keeper.list()]);
    expect(describeHeld(before)).toEqual(['a=1+1', 'b=2+2']);
    expect(describeHeld(after)).toEqual(['a=3+0']);
    expect(describeHeld(again)).toEqual(['a=3+0']);
  });

  it('belongs to no client, and stays when the one that gave it goes', async () => {
    const one = await stage.open();
    const two = await stage.open();
    const file = stage.file();
    one.hold('of one', '', [file]);
    two.hold('of two', '', [file]);
    await one.flush();
    one.close();
    expect(one.connected).toBe(false);
    expect(describeHeld(await two.list()).sort()).toEqual(['of one=+1', 'of two=+1']);
    two.drop('of one');
    const three = await stage.open();
    await two.list();
    expect(describeHeld(await three.list())).toEqual(['of two=+1']);
    expect(stage.pids()).toHaveLength(1);
  });

  it('that cannot be held is refused, and nothing is held under its key', async () => {
    const keeper = await stage.open();
    const refused: string[] = [];
    keeper.onRefused = (key) => refused.push(key);
    const file = stage.file();
    for (const key of ['text', 'files', 'closed', '']) keeper.hold(key, 'before', []);
    keeper.hold('text', 'x'.repeat(32 * 1024 + 1), []);
    keeper.hold('files', '', new Array(17).fill(file));
    keeper.hold('closed', '', [999_999]);
    keeper.hold('k'.repeat(256), '', []);
    keeper.hold('after', 'all is well', [file]);
    expect(refused).toEqual([]);
    expect(describeHeld(await keeper.list())).toEqual(['after=all is well+1']);
    await expect.poll(() => refused).toEqual(['', 'text', 'files', 'closed', 'k'.repeat(256)]);
  });
});

describe('marks', () => {
  it('are zero at first, of one size for good, and the same wherever they are mapped', () => {
    const { marks, mapMarks } = native().keeper;
    const { fd, bytes } = marks(5000);
    expect(bytes).toEqual(new Uint8Array(5000));
    const again = mapMarks(fd);
    bytes[4999] = 7;
    expect([again.length, again[4999]]).toEqual([5000, 7]);
    // One that shrinks would end whoever reads it with SIGBUS.
    for (const size of [10, 9000]) expect(() => ftruncateSync(fd, size)).toThrow();
    native().system.close(fd);
    again[0] = 1;
    expect(bytes[0]).toBe(1);
    for (const count of [0, -1, Number.NaN, 2 ** 26 + 1]) {
      expect(() => marks(count)).toThrow(expect.objectContaining({ code: 'EINVAL' }));
    }
    expect(() => mapMarks(stage.file())).toThrow(expect.objectContaining({ code: 'EINVAL' }));
    expect(() => mapMarks(999_999)).toThrow(expect.objectContaining({ code: 'EBADF' }));
  });
});

describe('a keeper', () => {
  it('is a daemon with nothing of its starter but the socket', async () => {
    await stage.open();
    const [pid] = stage.pids();
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    expect(/^PPid:\s+(\d+)/m.exec(status)?.[1]).not.toBe(`${process.pid}`);
    expect(status).toMatch(/^Name:\s+iluvatar-keeper$/m);
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
    expect(stat[3]).not.toBe(readFileSync('/proc/self/stat', 'utf8').split(') ')[1]?.split(' ')[3]);
    expect(readFileSync(`/proc/${pid}/environ`, 'utf8')).toBe('');
    expect(readlinkSync(`/proc/${pid}/cwd`)).toBe('/');
    const files = [0, 1, 2].map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
    expect(files).toEqual(['/dev/null', '/dev/null', '/dev/null']);
    expect(statSync(stage.path).mode & 0o777).toBe(0o600);
    expect(Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1])).toBeLessThan(2048);
    for (const signal of ['SIGHUP', 'SIGINT', 'SIGPIPE'] as const) process.kill(pid as number, signal);
    const keeper = await stage.open();
    expect(await keeper.list()).toEqual([]);
    process.kill(pid as number, 'SIGTERM');
    await stage.gone();
    expect(existsSync(stage.path)).toBe(false);
  });

  it('takes the place of one that was killed, and not of one that lives', async () => {
    await stage.open();
    const start = (): void => native().keeper.start(stage.path, 60_000, nativeFile('iluvatar-keeper'));
    expect(start).toThrow(expect.objectContaining({ code: 'EADDRINUSE' }));
    const [pid] = stage.pids();
    process.kill(pid as number, 'SIGKILL');
    await stage.gone();
    expect(existsSync(stage.path)).toBe(true);
    const next = await stage.open();
    expect(await next.list()).toEqual([]);
  });

  it('that cannot be started says why, and leaves no socket', async () => {
    const { start } = native().keeper;
    const program = `${stage.folder}/none`;
    expect(() => start(stage.path, 1, program)).toThrow(expect.objectContaining({ code: 'ENOENT', path: program }));
    expect(() => start(stage.path, 1, '/bin/false')).toThrow(expect.objectContaining({ code: 'EIO' }));
    expect(() => start('keeper.sock', 1, '/bin/true')).toThrow(expect.objectContaining({ code: 'EINVAL' }));
    expect(() => start(`/${'x'.repeat(200)}`, 1, '/bin/true')).toThrow(
      expect.objectContaining({ code: 'ENAMETOOLONG' }),
    );
    expect(existsSync(stage.path)).toBe(false);
    writeFileSync(stage.path, 'a file of somebody');
    await expect(stage.open()).rejects.toThrow();
    expect(readFileSync(stage.path, 'utf8')).toBe('a file of somebody');
  });

  it('quits with all that it holds', async () => {
    const keeper = await stage.open();
    const other = await stage.open();
    const lost: string[] = [];
    keeper.onLost = () => lost.push('who said so');
    const told = new Promise((resolve) => {
      other.onLost = resolve;
    });
    keeper.hold('a', '', [stage.file()]);
    await Promise.all([keeper.quit(), keeper.quit()]);
    expect(keeper.connected).toBe(false);
    await told;
    await stage.gone();
    expect(lost).toEqual([]);
    expect(existsSync(stage.path)).toBe(false);
    await keeper.quit();
    await expect(keeper.list()).rejects.toMatchObject({ errorClass: 'unavailable' });
    await expect(keeper.flush()).rejects.toMatchObject({ errorClass: 'unavailable' });
    keeper.hold('a', '', []);
    keeper.drop('a');
  });

  it('that is killed is reported lost, once, and whoever waits is told', async () => {
    const keeper = await stage.open();
    keeper.hold('a', '', []);
    await keeper.flush();
    const lost: string[] = [];
    const told = new Promise<void>((resolve) => {
      keeper.onLost = (reason) => {
        lost.push(reason);
        resolve();
      };
    });
    const [pid] = stage.pids();
    process.kill(pid as number, 'SIGSTOP');
    const list = keeper.list();
    const outcome = expect(list).rejects.toMatchObject({ errorClass: 'unavailable' });
    process.kill(pid as number, 'SIGKILL');
    await outcome;
    await told;
    keeper.hold('b', '', []);
    await sleep(20);
    expect(lost).toHaveLength(1);
    const next = await stage.open();
    next.hold('a', 'again', []);
    expect(describeHeld(await next.list())).toEqual(['a=again+0']);
  });
});
