import { afterAll, beforeAll } from 'vitest';
import { dockerBackend } from '../../src/backends/docker/backend.js';
import { startBackend } from '../backends/support/harness.js';
import { removeTemporaryFolders } from '../backends/support/temporary.js';
import { DockerDaemon } from '../support/docker-daemon.js';
import { describeWith } from '../support/requirement.js';
import { describeHardening } from './matrix.js';

const NEEDS = { root: true, cgroups: true, command: ['python3', 'gcc', 'dockerd', 'containerd', 'runc'] };

describeWith(NEEDS, 'hardening of the Docker backend', () => {
  let daemon: DockerDaemon;
  beforeAll(async () => {
    daemon = await DockerDaemon.start();
  });
  afterAll(async () => {
    await daemon?.close();
    removeTemporaryFolders();
  });

  for (const uid of [65_534, 0]) {
    describeHardening(
      `docker as uid ${uid}`,
      (input) =>
        startBackend(
          { ...input, backends: { docker: { enabled: true, socket: daemon.socket } }, images: { uid } },
          false,
          (parts) => dockerBackend({ ...parts, networks: null }),
        ),
      {
        kind: 'docker',
        asRoot: uid === 0,
        runc: true,
        engineFolder: '/var/lib/docker',
        engineSocket: () => daemon.socket,
      },
    );
  }
});
