import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { takeServiceEnvironment } from '../../src/worker/daemon/service-environment.js';
import { ServiceManager } from '../../src/worker/daemon/service-manager.js';
import { describeWith } from '../support/requirement.js';
import { NotifySocket } from './support/notify-socket.js';

describe('the environment of a service', () => {
  const given = {
    NOTIFY_SOCKET: '/run/notify',
    WATCHDOG_USEC: '3000000',
    WATCHDOG_PID: '42',
    LISTEN_PID: '42',
    LISTEN_FDS: '2',
    LISTEN_FDNAMES: 'http:',
    PATH: '/bin',
  };

  it('is read, and taken out', () => {
    const environment = { ...given };
    expect(takeServiceEnvironment(environment, 42)).toEqual({
      notifyAddress: '/run/notify',
      watchdogMs: 3000,
      descriptors: [
        { fd: 3, name: 'http' },
        { fd: 4, name: 'unknown' },
      ],
      forSuccessor: { NOTIFY_SOCKET: '/run/notify', WATCHDOG_USEC: '3000000' },
    });
    expect(environment).toEqual({ PATH: '/bin' });
  });

  it('is left aside where it is meant for another process, or malformed', () => {
    expect(takeServiceEnvironment({ ...given }, 43)).toMatchObject({ watchdogMs: 0, descriptors: [] });
    const broken = { ...given, WATCHDOG_USEC: '1e3', LISTEN_FDS: '-1', NOTIFY_SOCKET: '' };
    const nothing = { notifyAddress: null, watchdogMs: 0, descriptors: [], forSuccessor: {} };
    expect(takeServiceEnvironment(broken, 42)).toEqual(nothing);
  });
});

describeWith({ command: 'python3' }, 'a service manager', () => {
  let folder: string;
  const complaints: string[] = [];

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'iluvatar-test-notify-'));
    complaints.splice(0);
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const talkTo = (address: string | null): ServiceManager =>
    new ServiceManager({ address, watchdogMs: 0, complain: (error) => complaints.push(error.message) });

  it('is given descriptors to keep', async () => {
    using ear = await NotifySocket.open(join(folder, 'notify'));
    const file = join(folder, 'kept');
    writeFileSync(file, '');
    const fds = [openSync(file, 'r'), openSync(file, 'r')];
    talkTo(ear.address).store('http', fds);
    await expect.poll(() => ear.received, { timeout: 30_000 }).toHaveLength(1);
    for (const fd of fds) closeSync(fd);
    expect(ear.received[0]).toEqual({ lines: ['FDSTORE=1', 'FDNAME=http'], files: [file, file] });
  });

  it('hears no assignments that a text would smuggle in', async () => {
    using ear = await NotifySocket.open(join(folder, 'notify'));
    talkTo(ear.address).status('fine\nREADY=1');
    await expect.poll(() => ear.received, { timeout: 30_000 }).toHaveLength(1);
    expect(ear.said).toEqual(['STATUS=fine READY=1']);
  });

  it('is spared when there is none, and forgotten when it has gone', () => {
    const nobody = talkTo(null);
    nobody.ready('running');
    expect([nobody.present, complaints]).toEqual([false, []]);
    const gone = talkTo(join(folder, 'gone'));
    for (let i = 0; i < 3; i++) gone.alive();
    expect(complaints).toHaveLength(1);
    expect(gone.present).toBe(false);
  });

  it('hears what it could not take at once later, in order', async () => {
    const address = join(folder, 'slow');
    using ear = await NotifySocket.open(address);
    process.kill(ear.pid, 'SIGSTOP');
    const manager = talkTo(address);
    for (let i = 0; i < 100; i++) manager.status(`${i}`);
    process.kill(ear.pid, 'SIGCONT');
    await expect.poll(() => ear.said, { timeout: 30_000 }).toHaveLength(100);
    expect(ear.said).toEqual(Array.from({ length: 100 }, (_, i) => `STATUS=${i}`));
    expect(complaints).toEqual([]);
  });
});
