import { createServer, type Server } from 'node:net';
import { describe, expect, it } from 'vitest';
import { execute } from './process.js';

/** Setting up is idempotent, and two at once take turns. (What it does to a bare clone is seen by cloning: `npm test` itself begins so.) */
describe('setting up', () => {
  it('does nothing when there is nothing to do, also twice at once', async () => {
    await execute(process.execPath, ['scripts/setup.mjs'], { timeoutMs: 300_000 });
    const both = await Promise.all([0, 1].map(() => execute(process.execPath, ['scripts/setup.mjs'])));
    for (const { code, output } of both) {
      expect(output).not.toContain('…');
      expect(code).toBe(0);
    }
  }, 360_000);

  it('refuses an unknown part', async () => {
    const { code, output } = await execute(process.execPath, ['scripts/setup.mjs', '--only', 'everything']);
    expect(output).toContain('usage:');
    expect(code).toBe(2);
  });
});

describe('npm start', () => {
  it('shows its help without setting anything up', async () => {
    const { code, output } = await execute(process.execPath, ['scripts/start.mjs', '--help']);
    expect(output).toContain('--once');
    expect(output).not.toContain('setup');
    expect(code).toBe(0);
  });

  it.each([['--nonsense'], ['--port', 'ten'], ['--port', '70000']])('refuses %s %s', async (...args) => {
    const { code, output } = await execute(process.execPath, ['scripts/start.mjs', ...args]);
    expect(output).toContain(args[0] as string);
    expect(code).toBe(2);
  });

  it('says that the port is taken, and fails', async () => {
    const server = await listening();
    try {
      const { port } = server.address() as { port: number };
      const args = ['scripts/start.mjs', '--once', '--port', `${port}`];
      const { code, output } = await execute(process.execPath, args);
      expect(output).toContain(`${port}`);
      expect(output).toMatch(/in use|taken|EADDRINUSE/);
      expect(code).toBe(1);
    } finally {
      server.close();
    }
  });
});

function listening(): Promise<Server> {
  return new Promise((resolve) => {
    const server = createServer();
    server.listen(0, '127.0.0.1', () => resolve(server));
  });
}
