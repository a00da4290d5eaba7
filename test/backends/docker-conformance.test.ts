import { afterAll, beforeAll } from 'vitest';
import { dockerBackend } from '../../src/backends/docker/backend.js';
import { DockerClient } from '../../src/backends/docker/client.js';
import { DockerDaemon } from '../support/docker-daemon.js';
import { describeWith } from '../support/requirement.js';
import { describeBackend } from './conformance.js';
import { python } from './support/dialects.js';
import { cgroupsOf, processesWith, startBackend } from './support/harness.js';
import { removeTemporaryFolders } from './support/temporary.js';

describeWith(
  { root: true, cgroups: true, command: ['python3', 'dockerd', 'containerd', 'runc'] },
  'the Docker backend',
  () => {
    let daemon: DockerDaemon;

    beforeAll(async () => {
      daemon = await DockerDaemon.start();
    });

    afterAll(async () => {
      await daemon?.close();
      removeTemporaryFolders();
    });

    describeBackend(
      'docker',
      () =>
        startBackend({ backends: { docker: { enabled: true, socket: daemon.socket } } }, false, (parts) =>
          dockerBackend({ ...parts, networks: null }),
        ),
      {
        dialect: python,
        without: [],
        leftovers: async ({ config }) => {
          const client = new DockerClient(daemon.socket);
          const containers = await client.call<{ Names: string[] }[]>('GET', '/containers/json', {
            query: { all: true },
          });
          const images = await client.call<{ Id: string }[]>('GET', '/images/json', { query: { all: true } });
          client.close();
          return [
            ...containers.map(({ Names }) => `container ${Names[0]}`),
            ...images.map(({ Id }) => `image ${Id}`),
            ...cgroupsOf(config.name),
            ...processesWith(config.name).map((pid) => `process ${pid}`),
          ];
        },
      },
    );
  },
);
