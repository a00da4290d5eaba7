import type { FunctionDefinition } from '../../config/api.js';
import { IluvatarError } from '../../core/errors.js';
import type { ImageConfig } from '../../images/documents.js';
import { environmentOf } from '../../images/image-config.js';
import type { ImageUser } from '../../images/image-user.js';
import type { ProcessPlan } from './function.js';

/** What an image's configuration says about the process of its containers. Volumes and exposed ports mean nothing here. */

const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Throws `invalid` when neither the image nor the definition names a program. */
export function processOf(config: ImageConfig, command: readonly string[] | null, user: ImageUser): ProcessPlan {
  const { Entrypoint, Cmd, Env, WorkingDir } = config.config ?? {};
  const argv = command ?? [...(Entrypoint ?? []), ...(Cmd ?? [])];
  if (argv.length === 0) {
    throw new IluvatarError('invalid', 'the image has neither an entry point nor a command: set `command`');
  }
  return {
    argv: [...argv],
    env: { PATH, ...environmentOf(Env ?? []) },
    cwd: WorkingDir === undefined || WorkingDir === null || WorkingDir === '' ? '/' : WorkingDir,
    user,
  };
}

/** The label that says which agent an image holds; null = none. */
export function runtimeLabel(config: ImageConfig): string | null {
  return config.config?.Labels?.['dev.iluvatar.runtime'] ?? null;
}

/** Throws `invalid` where it is known that nothing in the image can speak as the definition says. */
export function assertSpeaks({ server, runtime, image }: FunctionDefinition, config: ImageConfig): void {
  if (server !== 'framed' || runtimeLabel(config) !== null || runtime === 'binary') return;
  throw new IluvatarError(
    'invalid',
    `the image ${image} has no agent that speaks frames (label dev.iluvatar.runtime): build it with \`iluvatar build\`, set \`server\` to "http" or "legacy-socket" if that is what it speaks, or \`runtime\` to "binary" if its program is made with iluvatar.h`,
  );
}
