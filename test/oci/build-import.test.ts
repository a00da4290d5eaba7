import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DockerClient } from '../../src/backends/docker/client.js';
import { iluvatar } from '../cli/run.js';
import { temporaryFolder, write } from '../images/support.js';
import { ContainerdDaemon } from '../support/containerd-daemon.js';
import { DockerDaemon } from '../support/docker-daemon.js';
import { describeWith } from '../support/requirement.js';

/** `iluvatar build --import`: the image is in the engine afterwards, as any other is. */

interface Report {
  digest: string;
  config: string;
  imported: string;
}

let folder: ReturnType<typeof temporaryFolder>;
beforeEach(async () => {
  folder = temporaryFolder();
  await write(folder.path, { 'fn/main.py': 'def main(args):\n    return args\n', 'root/etc/motd': 'hello\n' });
});
afterEach(() => folder.remove());

const build = (...args: string[]) =>
  iluvatar(['build', join(folder.path, 'fn'), '--base', join(folder.path, 'root'), '--json', ...args]);

describeWith({ root: true, command: ['containerd', 'ctr'] }, 'an image that is built into containerd', () => {
  it('is there under its name, unpacked, and stays', async () => {
    const daemon = await ContainerdDaemon.start();
    try {
      const settings = [`address=${daemon.address}`, 'namespace=built'].flatMap((text) => [
        '--set',
        `backends.containerd.${text}`,
      ]);
      const ran = await build('--import', 'containerd', '--tag', 'fn:7', ...settings);
      expect(ran.code, ran.stderr).toBe(0);
      const report = JSON.parse(ran.stdout) as Report;
      expect(report.imported).toBe('containerd');
      const listed = await daemon.ctr('built', 'images', 'ls');
      expect(listed).toMatch(new RegExp(`docker.io/library/fn:7 .*${report.digest}`));
      const snapshots = await daemon.ctr('built', 'snapshots', 'ls');
      expect(snapshots.match(/Committed/g)).toHaveLength(3);
      expect(await daemon.ctr('built', 'leases', 'ls', '--quiet')).toBe('');
    } finally {
      await daemon.close();
    }
  });
});

describeWith({ root: true, command: ['dockerd', 'containerd'] }, 'an image that is built into Docker', () => {
  it('is there under its name', async () => {
    const daemon = await DockerDaemon.start();
    const client = new DockerClient(daemon.socket);
    try {
      const ran = await build(
        '--import',
        'docker',
        '--tag',
        'fn:7',
        '--set',
        `backends.docker.socket=${daemon.socket}`,
      );
      expect(ran.code, ran.stderr).toBe(0);
      const report = JSON.parse(ran.stdout) as Report;
      await client.reach(5_000);
      const image = await client.call<{ Id: string; RepoTags: string[] }>('GET', '/images/fn:7/json');
      expect(image.Id).toBe(report.config);
      expect(image.RepoTags).toEqual(['fn:7']);
    } finally {
      client.close();
      await daemon.close();
    }
  });
});

describe('an import', () => {
  it('says that the engine is away', async () => {
    const none = join(folder.path, 'none.sock');
    for (const [engine, setting] of [
      ['containerd', `backends.containerd.address=${none}`],
      ['docker', `backends.docker.socket=${none}`],
    ] as const) {
      const ran = await build('--import', engine, '--set', setting);
      expect(ran.code).toBe(3);
      expect(ran.stderr).toContain(none);
    }
  });

  it('is of an engine that is known, and of no image that lives on the host', async () => {
    expect((await build('--import', 'podman')).code).toBe(2);
    const ran = await iluvatar(['build', join(folder.path, 'fn'), '--base', 'host', '--import', 'docker']);
    expect(ran.code).toBe(7);
    expect(ran.stderr).toContain('stands alone');
  });
});
