import type { ErrorClass, ErrorDetails } from './errors.js';
import type { Invocation, Outcome } from './invocation.js';
import type { Container } from './pool/container.js';

/**
 * Commands the engine gives to whatever runs containers. All return at once and never throw; answers come
 * as engine events (`containerReady`, `containerFailed`, `completed`, `containerExited`, `containerGone`), which may be raised from inside
 * the command itself. Not promised: order between containers, or that a cancelled run stops at once.
 */
export interface ContainerPort {
  /** Answered by `containerReady`, or by `containerFailed` when nothing of it is left (`destroy` is then not called). */
  create(container: Container): void;
  /** Answered by `completed`, or `containerExited` for everything the container was running. May come again for one that a transient exit put back. */
  run(container: Container, invocation: Invocation): void;
  /** Its time has passed or its caller left; the container will be destroyed afterwards. */
  cancel(container: Container, invocation: Invocation, reason: 'timeout' | 'cancelled'): void;
  /** Answered by `containerGone`, once its memory is really free. */
  destroy(container: Container, reason: DestroyReason): void;
}

export type DestroyReason =
  | 'evicted'
  | 'expired'
  | 'crashed'
  | 'timeout'
  | 'failed'
  | 'outgrown'
  | 'unregistered'
  | 'clean'
  | 'stopping';

/** Why a container could not be made or died. */
export interface ContainerFailure {
  readonly errorClass: ErrorClass;
  readonly message: string;
  readonly details: ErrorDetails | null;
  /**
   * Worth another attempt (a lost race, a full table), as opposed to the user's own fault. Of an exit it says that its runs may be repeated, so whoever
   * raises it must still have their arguments.
   */
  readonly transient: boolean;
}

/** What the engine has to say about itself. Nothing is said on the warm path at the default level. */
export interface EngineLog {
  debug(fields: Record<string, unknown>, message: string): void;
  info(fields: Record<string, unknown>, message: string): void;
  warn(fields: Record<string, unknown>, message: string): void;
}

export type { Outcome };
