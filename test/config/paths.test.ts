import { homedir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { parseConfig } from '../../src/config/load.js';
import { resolvePaths, SOCKET_PATH_MAX } from '../../src/config/paths.js';

afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

function asUser(uid: number): void {
  vi.spyOn(process, 'getuid').mockReturnValue(uid);
}

describe('resolvePaths', () => {
  it('puts everything below /var/lib for root', () => {
    asUser(0);
    expect(resolvePaths(parseConfig({ name: 'edge' }))).toEqual({
      dataDir: '/var/lib/iluvatar/edge',
      socket: '/var/lib/iluvatar/edge/worker.sock',
      logFile: '/var/lib/iluvatar/edge/log/worker.log',
    });
  });

  it('puts everything below the state folder of an ordinary user', () => {
    asUser(1000);
    vi.stubEnv('XDG_STATE_HOME', '/home/u/state');
    expect(resolvePaths(parseConfig()).dataDir).toBe('/home/u/state/iluvatar/worker');
    for (const ignored of ['', 'relative/state']) {
      vi.stubEnv('XDG_STATE_HOME', ignored);
      expect(resolvePaths(parseConfig()).dataDir).toBe(join(homedir(), '.local/state/iluvatar/worker'));
    }
  });

  it('takes what is configured, made absolute', () => {
    const config = parseConfig({ dataDir: 'data', socket: 'w.sock', log: { file: 'w.log' } });
    expect(resolvePaths(config)).toEqual({
      dataDir: join(process.cwd(), 'data'),
      socket: join(process.cwd(), 'w.sock'),
      logFile: join(process.cwd(), 'w.log'),
    });
    expect(resolvePaths(parseConfig({ log: { file: '-' } })).logFile).toBeNull();
  });

  it('refuses a socket path that does not fit into an address, in bytes', () => {
    const fitting = `/${'x'.repeat(SOCKET_PATH_MAX - 1)}`;
    expect(resolvePaths(parseConfig({ socket: fitting })).socket).toBe(fitting);
    expect(() => resolvePaths(parseConfig({ socket: `${fitting}x` }))).toThrow(`${SOCKET_PATH_MAX + 1} bytes`);
    expect(() => resolvePaths(parseConfig({ socket: `/${'ü'.repeat(60)}` }))).toThrow('choose a shorter "socket"');
    expect(() => resolvePaths(parseConfig({ dataDir: fitting }))).toThrow('set "socket" or a shorter "dataDir"');
  });
});
