import { afterAll, beforeAll, describe } from 'vitest';
import { containerdBackend } from '../../src/backends/containerd/backend.js';
import { ContainerdDaemon } from '../support/containerd-daemon.js';
import { describeWith } from '../support/requirement.js';
import { describeBackend } from './conformance.js';
import { python } from './support/dialects.js';
import { cgroupsOf, type Harness, processesWith, startBackend } from './support/harness.js';
import { removeTemporaryFolders } from './support/temporary.js';

const NEEDS = { root: true, cgroups: true, command: ['python3', 'containerd', 'runc', 'ctr'] };

describeWith(NEEDS, 'the containerd backend', () => {
  let daemon: ContainerdDaemon;
  beforeAll(async () => {
    daemon = await ContainerdDaemon.start();
  });
  afterAll(async () => {
    await daemon?.close();
    removeTemporaryFolders();
  });

  describe.each(['iluvatar', 'io.containerd.runc.v2'])('with the runtime %s', (runtime) => {
    const start = (): Promise<Harness> => {
      const containerd = { enabled: true, address: daemon.address, runtime };
      return startBackend({ backends: { containerd } }, false, (parts) =>
        containerdBackend({ ...parts, networks: null }),
      );
    };
    describeBackend('containerd', start, { dialect: python, without: [], leftovers });
  });

  async function leftovers({ config }: Harness): Promise<string[]> {
    const ctr = async (...args: string[]): Promise<string[]> => {
      const lines = (await daemon.ctr(config.backends.containerd.namespace, ...args)).split('\n');
      return lines.filter((line) => line !== '');
    };
    return [
      ...cgroupsOf(config.name),
      ...cgroupsOf(`${config.name}.containerd`),
      ...processesWith(config.name).map((pid) => `process ${pid}`),
      ...(await ctr('containers', 'list', '--quiet')).map((name) => `container ${name}`),
      ...(await ctr('tasks', 'list', '--quiet')).map((name) => `task ${name}`),
      ...(await ctr('images', 'list', '--quiet')).map((name) => `image ${name}`),
      ...(await ctr('leases', 'list', '--quiet')).map((name) => `lease ${name}`),
    ];
  }
});
