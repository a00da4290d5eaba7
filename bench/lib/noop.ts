import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NO_OP } from './relay.js';
import type { WorkerProcess } from './worker-process.js';

/** Registers the no-op Python function as `noop` and makes `containers` of it ready. */
export async function registerNoOp({ client }: Pick<WorkerProcess, 'client'>, containers: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'iluvatar-bench-noop-'));
  try {
    writeFileSync(join(folder, 'main.py'), NO_OP);
    await client.register({ name: 'noop', source: folder, maxContainers: containers });
    await client.prewarm('noop', { count: containers });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
