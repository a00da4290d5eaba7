import type { FunctionDefinition } from '../../config/api.js';
import { IluvatarError } from '../../core/errors.js';

/** What old agents (HTTP, the 16-byte-header socket) and their images expect of whoever starts them. */

/** Seen by a container of any backend; the folder is its own. */
export const OLD_AGENT_SOCKET = '/iluvatar/sockets/sock';

/** The environment of an old agent that is to answer at `host` and `port`, or at its socket. Empty for agents that speak frames. */
export function oldAgentEnvironment(
  { server, timeoutMs }: Pick<FunctionDefinition, 'server' | 'timeoutMs'>,
  host: string,
  port: number,
): Record<string, string> {
  if (server === 'framed') return {};
  // Gunicorn ends a worker process that is silent for longer: an invocation may take its whole time. The socket server is always silent, since it
  // never returns to gunicorn: 0 = no limit.
  const seconds = server === 'legacy-socket' ? 0 : Math.ceil(timeoutMs / 1000);
  return {
    __IL_HOST: host,
    __IL_PORT: `${port}`,
    __IL_SOCKET: OLD_AGENT_SOCKET,
    GUNICORN_CMD_ARGS: `--workers=1 --timeout=${seconds} --bind=${host}:${port} --enable-stdio-inheritance -e PYTHONUNBUFFERED=1`,
    FLASK_APP: 'server',
    FLASK_RUN_HOST: host,
    FLASK_RUN_PORT: `${port}`,
  };
}

/** Throws `invalid` for what an old agent cannot do. */
export function assertServer({ server, network, concurrency }: FunctionDefinition): void {
  if (server === 'http' && network === 'none') {
    throw new IluvatarError(
      'invalid',
      'server "http" needs network "bridge" or "host": the worker must reach its port',
    );
  }
  if (server === 'legacy-socket' && concurrency > 1) {
    throw new IluvatarError('invalid', 'server "legacy-socket" answers one request at a time: concurrency must be 1');
  }
}

/** A program that is started with the user's file, in place of our agent; null = it is our agent that starts. `interpreter`: of the runtime. */
export function oldAgentArgv(
  runtime: 'python3' | 'nodejs' | 'binary',
  server: FunctionDefinition['server'],
  entry: string,
  interpreter: string,
): string[] | null {
  if (runtime === 'binary') return [`/function/${entry}`];
  if (server === 'framed') return null;
  const file = entry.includes(':') ? entry.slice(0, entry.lastIndexOf(':')) : entry;
  if (runtime === 'nodejs') return [interpreter, `/function/${file}`];
  const script = file.endsWith('.py') ? file : `${file.replaceAll('.', '/')}.py`;
  return [interpreter, '-B', '-u', `/function/${script}`];
}
