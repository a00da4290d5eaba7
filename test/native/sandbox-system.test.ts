import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { native } from '../../src/native.js';

/** The addon's `system` module. */

const { system } = native();
let child: ChildProcess | undefined;

afterEach(() => {
  child?.kill('SIGKILL');
  child = undefined;
});

describe('system', () => {
  it('answers what the sandbox may use, and agrees with what this process is', () => {
    const support = system.sandboxSupport();
    expect(Object.keys(support)).toEqual([
      'userNamespaces',
      'mountNamespaces',
      'pidNamespaces',
      'networkNamespaces',
      'seccomp',
      'newMountApi',
      'cloneIntoCgroup',
      'pidfd',
    ]);
    for (const value of Object.values(support)) expect(typeof value).toBe('boolean');
    // Namespaces come with root or with user namespaces, not without both.
    if (support.userNamespaces) expect(support).toMatchObject({ mountNamespaces: true, pidNamespaces: true });
  });

  it('raises the soft limit of files to the hard one', () => {
    const limit = system.raiseFileLimit();
    const line = readFileSync('/proc/self/limits', 'utf8').match(/^Max open files\s+(\d+)\s+(\d+)/m);
    expect([Number(line?.[1]), Number(line?.[2])]).toEqual([limit, limit]);
  });

  it('has one clock for all processes of the machine', () => {
    const first = system.monotonicUs();
    const own = Number(process.hrtime.bigint() / 1000n);
    const second = system.monotonicUs();
    expect(Number.isInteger(first)).toBe(true);
    expect(own).toBeGreaterThanOrEqual(first - 1);
    expect(second).toBeGreaterThanOrEqual(own - 1);
  });

  it('sends signals, tells when nobody is there, and never to groups', async () => {
    child = spawn('sleep', ['1000'], { stdio: 'ignore' });
    const pid = child.pid as number;
    const exit = new Promise((resolve) => child?.once('exit', (_code, signal) => resolve(signal)));
    expect(system.kill(pid, 0)).toBe(true);
    expect(system.kill(pid, 15)).toBe(true);
    expect(await exit).toBe('SIGTERM');
    expect(system.kill(pid, 0)).toBe(false);
    for (const group of [0, -1, -pid]) {
      expect(() => system.kill(group, 0)).toThrow(expect.objectContaining({ code: 'EINVAL', syscall: 'kill' }));
    }
    expect(() => system.kill(process.pid, 999)).toThrow(expect.objectContaining({ code: 'EINVAL' }));
  });
});
