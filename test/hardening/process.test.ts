import { afterAll } from 'vitest';
import { startProcessBackend } from '../backends/support/harness.js';
import { removeTemporaryFolders } from '../backends/support/temporary.js';
import { describeWith } from '../support/requirement.js';
import { describeHardening } from './matrix.js';

describeWith({ root: true, cgroups: true, command: ['python3', 'gcc'] }, 'hardening of the process backend', () => {
  afterAll(removeTemporaryFolders);
  describeHardening('process', (input) => startProcessBackend(input), {
    kind: 'process',
    asRoot: false,
    runc: false,
    engineFolder: '/var/lib/containerd',
    engineSocket: () => '/run/containerd/containerd.sock',
  });
});
