import { afterAll } from 'vitest';
import type { SimulatedBackend } from '../../src/backends/simulated/backend.js';
import { describeBackend } from './conformance.js';
import { simulated } from './support/dialects.js';
import { startSimulatedBackend } from './support/harness.js';
import { removeTemporaryFolders } from './support/temporary.js';

afterAll(removeTemporaryFolders);

describeBackend('simulated', () => startSimulatedBackend(), {
  dialect: simulated,
  without: ['connection'],
  leftovers: ({ backend }) => (backend as SimulatedBackend).owned(),
});
