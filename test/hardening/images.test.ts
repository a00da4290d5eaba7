import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { containerdBackend } from '../../src/backends/containerd/backend.js';
import { dockerBackend } from '../../src/backends/docker/backend.js';
import { type Harness, prepare, startBackend, TestContainer } from '../backends/support/harness.js';
import { removeTemporaryFolders, temporaryFolder } from '../backends/support/temporary.js';
import { ContainerdDaemon } from '../support/containerd-daemon.js';
import { DockerDaemon } from '../support/docker-daemon.js';
import { describeWith } from '../support/requirement.js';
import { hostileLayers, type Layers, writeImage } from './layers.js';
import { HostWorld } from './world.js';

/** Images of strangers: whichever engine unpacks them, nothing of the host is written, and what comes to run has no rights. */
const NEEDS = { root: true, cgroups: true, command: ['gcc', 'containerd', 'runc', 'ctr', 'dockerd'] };
const ENGINES = ['containerd', 'docker'] as const;

describeWith(NEEDS, 'hostile images', () => {
  const world = new HostWorld();
  beforeAll(() => world.open());
  afterAll(async () => {
    await world.close();
    removeTemporaryFolders();
  });

  describe.each(ENGINES)('in %s', (engine) => {
    let daemon: ContainerdDaemon | DockerDaemon;
    let harness: Harness;

    beforeAll(async () => {
      if (engine === 'containerd') {
        const containerd = await ContainerdDaemon.start();
        daemon = containerd;
        const backends = { containerd: { enabled: true, address: containerd.address } };
        harness = await startBackend({ backends }, false, (parts) => containerdBackend({ ...parts, networks: null }));
      } else {
        const docker = await DockerDaemon.start();
        daemon = docker;
        const backends = { docker: { enabled: true, socket: docker.socket } };
        harness = await startBackend({ backends }, false, (parts) => dockerBackend({ ...parts, networks: null }));
      }
    });
    afterAll(async () => {
      await harness?.close();
      await daemon?.close();
    });

    /** What its program printed; or why it never ran. */
    async function told(layers: Layers): Promise<string> {
      const image = join(temporaryFolder(), 'image.tar');
      await writeImage(image, join(world.source, 'raw'), layers, ['identity', '/device']);
      const fn = await prepare(harness.backend, { name: 'stranger', image, runtime: 'binary' }).catch(
        (error: Error) => error.message,
      );
      if (typeof fn === 'string') return `refused: ${fn}`;
      const made = new TestContainer(harness.backend, harness.transport, fn);
      const failure = await made.started().catch((error: Error) => error.message);
      await made.destroy();
      await harness.backend.release(fn);
      return made.output_.stdout === '' ? `refused: ${failure}` : made.output_.stdout;
    }

    it.each(Object.keys(hostileLayers('/outside')))('%s', async (what) => {
      const said = await told(hostileLayers(world.outside)[what] as Layers);
      expect(world.touched()).toEqual([]);
      // One that unpacks runs as its user, whatever its file says.
      if (!said.startsWith('refused: ')) {
        expect(said).toMatch(/^uid 65534 65534 65534 65534\neffective 0000000000000000\nread (ENOENT|EPERM|EACCES)\n$/);
      }
    });

    it('runs one that is harmless', async () => {
      expect(await told([[{ name: 'word', content: 'fine' }]])).toMatch(/^uid 65534 .*\neffective 0+\nread ENOENT\n$/);
    });
  });
});
