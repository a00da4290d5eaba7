import { afterAll } from 'vitest';
import { containerdBackend } from '../../src/backends/containerd/backend.js';
import { describeWith } from '../support/requirement.js';
import { describeBackend } from './conformance.js';
import { python } from './support/dialects.js';
import { cgroupsOf, processesWith, startBackend } from './support/harness.js';
import { removeTemporaryFolders } from './support/temporary.js';

describeWith({ root: true, cgroups: true, command: ['python3', 'containerd'] }, 'the containerd backend', () => {
  afterAll(removeTemporaryFolders);
  describeBackend(
    'containerd',
    () =>
      startBackend(
        {
          backends: {
            containerd: { address: '/tmp/cd/c.sock', runtime: process.env['RT'] ?? 'io.containerd.runc.v2' },
          },
        },
        false,
        (parts) => containerdBackend({ ...parts, networks: null }),
      ),
    {
      dialect: python,
      without: [],
      leftovers: async ({ config }) => [
        ...cgroupsOf(config.name),
        ...processesWith(config.name).map((pid) => `process ${pid}`),
      ],
    },
  );
});
