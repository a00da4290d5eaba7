import { afterAll } from 'vitest';
import { describeBackend } from './conformance.js';
import { simulated } from './support/dialects.js';
import { startSimulatedBackend } from './support/harness.js';
import { removeTemporaryFolders } from './support/temporary.js';

afterAll(removeTemporaryFolders);

describeBackend('simulated', () => startSimulatedBackend(), {
  dialect: simulated,
  without: ['connection'],
  leftovers: async ({ backend }) => [...(await backend.list())],
});
