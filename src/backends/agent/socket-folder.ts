import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';

/**
 * The folder in a container in which an old agent makes its socket. It is a small file system of the container's own, so that nothing written there is on the host's disk, and the worker
 * reaches it through the container's first process. What lies in it is the function's: no link is followed, on the way or at the end, or a function could have the worker talk to any
 * socket of the host in its place.
 */

/** Seen by a container of any backend. */
export const SOCKET_FOLDER = '/iluvatar/sockets';
export const OLD_AGENT_SOCKET = `${SOCKET_FOLDER}/sock`;

/** Of a tmpfs with room for a socket and the few files that servers put beside it. */
export const SOCKET_FOLDER_OPTIONS = ['mode=1777', 'size=64k', 'nr_inodes=16'] as const;

/** Opens without access: to look up from, and to connect to. Node has no name for it; the same on every architecture that we build for. */
const O_PATH = 0o10000000;

export class SocketFolder {
  readonly #pid: () => number;

  /** `pid`: of a process in the container; 0 = not known yet. */
  constructor(pid: () => number) {
    this.#pid = pid;
  }

  /** Calls `connect` with a path that leads to the socket and nowhere else. Throws a system error when there is none (yet). */
  connect<T>(connect: (path: string) => T): T {
    // Looked up anew each time: the folder is mounted while the container is made.
    let at = openRoot(this.#pid());
    try {
      // A part at a time: links of the container would be followed from the host's root.
      for (const part of OLD_AGENT_SOCKET.split('/').slice(1)) {
        const next = openSync(`/proc/self/fd/${at}/${part}`, O_PATH | constants.O_NOFOLLOW);
        closeSync(at);
        at = next;
      }
      // A link, opened by itself, is not one.
      if (!fstatSync(at).isSocket()) throw new Error(`${OLD_AGENT_SOCKET} is no socket`);
      return connect(`/proc/self/fd/${at}`);
    } finally {
      closeSync(at);
    }
  }
}

/** Of the first process or, where it is closed to us (a supervisor is, to a worker that is not root), of the one that it started. */
function openRoot(pid: number): number {
  const open = (of: number): number => openSync(`/proc/${of}/root`, O_PATH | constants.O_DIRECTORY);
  try {
    return open(pid);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EACCES' && code !== 'EPERM') throw error;
    return open(Number.parseInt(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8'), 10));
  }
}
