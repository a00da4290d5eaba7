import { describe, expect, it } from 'vitest';
import { assertServer, oldAgentArgv, oldAgentEnvironment } from '../../src/backends/agent/old-agent.js';
import { definition } from './support.js';

describe('an old agent', () => {
  it('finds in its environment where it is to answer', () => {
    const fn = definition({ source: '/fn', server: 'http', network: 'bridge', timeoutMs: 1_500 });
    expect(oldAgentEnvironment(fn, '10.0.0.7', 8080)).toEqual({
      __IL_HOST: '10.0.0.7',
      __IL_PORT: '8080',
      __IL_SOCKET: '/iluvatar/sockets/sock',
      GUNICORN_CMD_ARGS:
        '--workers=1 --timeout=2 --bind=10.0.0.7:8080 --enable-stdio-inheritance -e PYTHONUNBUFFERED=1',
      FLASK_APP: 'server',
      FLASK_RUN_HOST: '10.0.0.7',
      FLASK_RUN_PORT: '8080',
    });
    const socket = definition({ source: '/fn', server: 'legacy-socket' });
    expect(oldAgentEnvironment(socket, '127.0.0.1', 1)['GUNICORN_CMD_ARGS']).toContain('--timeout=0 ');
    expect(oldAgentEnvironment(definition({ source: '/fn' }), '10.0.0.7', 8080)).toEqual({});
  });

  it('is a program, or a file for its interpreter', () => {
    expect(oldAgentArgv('binary', 'http', 'run', '')).toEqual(['/function/run']);
    expect(oldAgentArgv('python3', 'http', 'a.server:app', '/py')).toEqual([
      '/py',
      '-B',
      '-u',
      '/function/a/server.py',
    ]);
    expect(oldAgentArgv('nodejs', 'legacy-socket', 'index.js', '/node')).toEqual(['/node', '/function/index.js']);
    expect(oldAgentArgv('python3', 'framed', 'main:main', '/py')).toBeNull();
  });

  it('cannot answer without a network, nor several requests at once over one socket', () => {
    expect(() => assertServer(definition({ source: '/fn', server: 'http' }))).toThrow(/network/);
    expect(() => assertServer(definition({ source: '/fn', server: 'legacy-socket', concurrency: 2 }))).toThrow(/one/);
    assertServer(definition({ source: '/fn', server: 'http', network: 'host', concurrency: 2 }));
  });
});
