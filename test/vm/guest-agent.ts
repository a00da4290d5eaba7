import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';

/**
 * QEMU's guest agent, spoken to over a virtio serial port: one JSON line a request, one an answer, in order. The agent comes and goes with the system in
 * the machine; what was asked of one that went is never answered, and the next one may still answer what its predecessor was asked.
 */

interface Answer {
  return?: unknown;
  error?: { class: string; desc: string };
}

export interface Executed {
  /** Null when a signal ended it. */
  code: number | null;
  stdout: string;
  stderr: string;
}

const REQUEST_MS = 60_000;
/** How often an agent that is not there yet, or a command that still runs, is asked; ms. */
const ASK_AGAIN_MS = 100;
const KNOCK_MS = 2000;

export class GuestAgent {
  readonly #socket: Socket;
  #waiting: ((answer: Answer) => void) | null = null;
  #last: Promise<unknown> = Promise.resolve();

  private constructor(socket: Socket) {
    this.#socket = socket;
    createInterface({ input: socket }).on('line', (line) => {
      const answer = parse(line);
      if (answer !== null) this.#waiting?.(answer);
    });
    // Seen as requests that nobody answers.
    socket.on('error', () => {});
  }

  static async connect(path: string): Promise<GuestAgent> {
    const socket = connect(path);
    await once(socket, 'connect');
    return new GuestAgent(socket);
  }

  /** Resolves once an agent answers, and everything asked before is forgotten. Rejects after `limitMs`. */
  async awake(limitMs: number): Promise<void> {
    const until = Date.now() + limitMs;
    for (let id = Date.now(); ; id++) {
      // The invalid byte makes the agent forget half a request that an earlier connection left.
      this.#socket.write(Buffer.of(0xff));
      const answer = await this.#exchange('guest-sync', { id }, KNOCK_MS, (given) => given.return === id);
      if (answer !== null) return;
      if (Date.now() > until) throw new Error(`no guest agent answered within ${limitMs} ms`);
    }
  }

  /** Runs a program with nothing inherited from anybody, and gives back what it wrote (16 MiB at most of each). Rejects after `limitMs`; the program then goes on. */
  async execute(path: string, args: readonly string[], stdin: string, limitMs: number): Promise<Executed> {
    const until = Date.now() + limitMs;
    const { pid } = (await this.#request('guest-exec', {
      path,
      arg: args,
      'capture-output': true,
      'input-data': Buffer.from(stdin).toString('base64'),
    })) as { pid: number };
    for (;;) {
      const status = (await this.#request('guest-exec-status', { pid })) as Record<string, unknown>;
      if (status['exited'] === true) {
        const text = (key: string): string => Buffer.from(String(status[key] ?? ''), 'base64').toString();
        return { code: (status['exitcode'] as number) ?? null, stdout: text('out-data'), stderr: text('err-data') };
      }
      if (Date.now() > until) throw new Error(`${path} has not ended within ${limitMs} ms`);
      await pause(ASK_AGAIN_MS);
    }
  }

  close(): void {
    this.#socket.destroy();
  }

  async #request(execute: string, args: object): Promise<unknown> {
    const answer = await this.#exchange(execute, args, REQUEST_MS, () => true);
    if (answer === null) throw new Error(`the guest agent has not answered ${execute} within ${REQUEST_MS} ms`);
    if (answer.error !== undefined) throw new Error(`${execute}: ${answer.error.class}: ${answer.error.desc}`);
    return answer.return;
  }

  /** One after the other: answers carry no number. Null = nothing that `wanted` accepts came in time. */
  #exchange(
    execute: string,
    args: object,
    limitMs: number,
    wanted: (answer: Answer) => boolean,
  ): Promise<Answer | null> {
    const turn = this.#last.then(
      () =>
        new Promise<Answer | null>((resolve) => {
          const end = (answer: Answer | null): void => {
            clearTimeout(timer);
            this.#waiting = null;
            resolve(answer);
          };
          const timer = setTimeout(end, limitMs, null);
          this.#waiting = (answer) => {
            if (wanted(answer)) end(answer);
          };
          this.#socket.write(`${JSON.stringify({ execute, arguments: args })}\n`);
        }),
    );
    this.#last = turn;
    return turn;
  }
}

/** Null for the rest of a line that was begun for somebody else. */
function parse(line: string): Answer | null {
  try {
    return JSON.parse(line) as Answer;
  } catch {
    return null;
  }
}
