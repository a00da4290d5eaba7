import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

/** What a client is told to call: names of methods and fields are those of the .proto. */
export interface Command {
  readonly method: string;
  readonly message?: Record<string, unknown>;
  /** The call's deadline; ms. */
  readonly timeout_ms?: number;
  readonly cancel_after_ms?: number;
  readonly metadata?: Record<string, string>;
  readonly gzip?: boolean;
  /** So many calls at once; one answer for each. */
  readonly copies?: number;
}

/** What came of a call: a message, or a status that is not OK. */
export interface Answer {
  readonly message?: Record<string, unknown>;
  readonly code?: number;
  readonly error?: string;
  /** Of the trailer `iluvatar-error-class`. */
  readonly error_class?: string;
}

/** A client in a process of its own, with one channel for as long as it runs: a line of JSON in, a line of JSON out. */
export class ClientProcess implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #answers: AsyncIterator<string>;

  constructor(program: string, args: readonly string[], env: NodeJS.ProcessEnv = {}) {
    this.#child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'], env: { ...process.env, ...env } });
    const { stdout } = this.#child;
    if (stdout === null) throw new Error(`${program} has no stdout`);
    this.#answers = createInterface({ input: stdout })[Symbol.asyncIterator]();
  }

  /** All calls of the command. Rejects when the client ends instead of answering. */
  async all(command: Command): Promise<Answer[]> {
    const given = { message: {}, timeout_ms: 0, cancel_after_ms: 0, metadata: {}, gzip: false, copies: 1, ...command };
    this.#child.stdin?.write(`${JSON.stringify(given)}\n`);
    const { value, done } = await this.#answers.next();
    if (done === true) throw new Error('the client ended and did not answer');
    return JSON.parse(value) as Answer[];
  }

  async one(command: Command): Promise<Answer> {
    const [answer] = await this.all(command);
    if (answer === undefined) throw new Error('the client answered nothing');
    return answer;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, 'exit');
    this.#child.kill();
    await exited;
  }
}
