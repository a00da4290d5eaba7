import { afterAll, beforeAll, describe } from 'vitest';
import { containerdBackend } from '../../src/backends/containerd/backend.js';
import { startBackend } from '../backends/support/harness.js';
import { removeTemporaryFolders } from '../backends/support/temporary.js';
import { ContainerdDaemon } from '../support/containerd-daemon.js';
import { describeWith } from '../support/requirement.js';
import { describeHardening } from './matrix.js';

const NEEDS = { root: true, cgroups: true, command: ['python3', 'gcc', 'containerd', 'runc', 'ctr'] };

describeWith(NEEDS, 'hardening of the containerd backend', () => {
  let daemon: ContainerdDaemon;
  beforeAll(async () => {
    daemon = await ContainerdDaemon.start();
  });
  afterAll(async () => {
    await daemon?.close();
    removeTemporaryFolders();
  });

  describe.each(['iluvatar', 'io.containerd.runc.v2'])('with the runtime %s', (runtime) => {
    for (const uid of [65_534, 0]) {
      describeHardening(
        `containerd as uid ${uid}`,
        (input) => {
          const containerd = { enabled: true, address: daemon.address, runtime };
          return startBackend({ ...input, backends: { containerd }, images: { uid } }, false, (parts) =>
            containerdBackend({ ...parts, networks: null }),
          );
        },
        {
          kind: 'containerd',
          asRoot: uid === 0,
          runc: runtime !== 'iluvatar',
          engineFolder: '/var/lib/containerd',
          engineSocket: () => daemon.address,
        },
      );
    }
  });
});
