import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeWith } from '../support/requirement.js';
import { limitsOnCgroupV2 } from './cgroup-v2.js';
import { Machine } from './machine.js';
import { MACHINE } from './requirements.js';
import { workerAsService } from './service.js';

/**
 * One machine for all suites that need one, since each boot and each worker's first start takes long in an emulator. Every suite brings a worker of its own and takes it away again. First and last:
 * that the machine is what they take it for.
 */
describeWith(MACHINE, 'a virtual machine', () => {
  let machine: Machine;

  beforeAll(async () => {
    machine = await Machine.start();
  });
  afterAll(async () => await machine?.[Symbol.asyncDispose]());

  it('runs systemd on cgroup v2 alone, with pressure and swap, and the package', async () => {
    expect(await machine.output('cat /proc/1/comm')).toBe('systemd');
    expect(await machine.output('systemctl is-system-running')).toBe('running');
    const cgroups = (await machine.output('cat /proc/mounts')).split('\n').filter((line) => / cgroup2? /.test(line));
    expect(cgroups).toHaveLength(1);
    expect(cgroups[0]).toContain('cgroup2 /sys/fs/cgroup cgroup2');
    expect(await machine.output('cat /proc/pressure/memory')).toContain('some avg10=');
    expect(await machine.output('grep SwapTotal /proc/meminfo')).toMatch(/ 26\d{4} kB/);
    expect(await machine.output('iluvatar --version')).toMatch(/^\d+\.\d+\.\d+$/);
  });

  it('tells how a command ended, and ends one that takes too long', async () => {
    expect(await machine.run('echo out; echo err >&2; exit 7')).toEqual({ code: 7, stdout: 'out\n', stderr: 'err\n' });
    expect(await machine.run('cat', { stdin: 'in' })).toMatchObject({ code: 0, stdout: 'in' });
    const long = 'x'.repeat(300_000);
    expect((await machine.run('cat', { stdin: long })).stdout).toBe(long);
    await expect(machine.output('false')).rejects.toThrow('"false" ended with 1');
    expect((await machine.run('sleep 1000', { limitMs: 1000 })).code).toBe(124);
  });

  limitsOnCgroupV2(() => machine);
  workerAsService(() => machine);

  it('goes down in order, so that nothing is lost', async () => {
    await machine.output('echo unsynced > /stopped');
    await machine.shutDown();
    const { text, fileSystem } = await machine.disk('/stopped');
    expect(text).toContain('unsynced');
    expect(fileSystem).toMatch(/^Filesystem state: +clean$/m);
    expect(fileSystem).not.toContain('needs_recovery');
  });
});
