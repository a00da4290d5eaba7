import { afterAll } from 'vitest';
import { describeWith } from '../support/requirement.js';
import { describeBackend } from './conformance.js';
import { python } from './support/dialects.js';
import { cgroupsOf, processesWith, startProcessBackend } from './support/harness.js';
import { removeTemporaryFolders } from './support/temporary.js';

describeWith({ root: true, cgroups: true, command: 'python3' }, 'the process backend', () => {
  afterAll(removeTemporaryFolders);
  describeBackend('process', () => startProcessBackend(), {
    dialect: python,
    without: [],
    leftovers: async ({ config }) => [
      ...cgroupsOf(config.name),
      ...processesWith(config.name).map((pid) => `process ${pid}`),
    ],
  });
});
