import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';

/**
 * The host's end of the process in a machine that runs the tests' functions (`evaluator.mjs`). Requests are numbered; any number of them may be under way.
 */

/** The program that is to run at the other end, as text. */
export const EVALUATOR = readFileSync(new URL('./evaluator.mjs', import.meta.url), 'utf8');

export interface Evaluation {
  /** Name of the worker whose client the function is given. */
  worker: string;
  /** Text of a function. */
  body: string;
  /** What it is called with beside `Inside`; JSON. */
  given: unknown;
  /** How long a worker that does not answer yet is waited for; ms. */
  patienceMs: number;
}

interface Answer {
  id: number;
  value?: unknown;
  error?: string;
}

export class Evaluator {
  readonly #socket: Socket;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #requests = 0;

  private constructor(socket: Socket) {
    this.#socket = socket;
    createInterface({ input: socket }).on('line', (line) => this.#answered(JSON.parse(line) as Answer));
    // Said by 'close', too.
    socket.on('error', () => {});
    socket.on('close', () => this.#ended());
  }

  static async connect(path: string): Promise<Evaluator> {
    const socket = connect(path);
    await once(socket, 'connect');
    return new Evaluator(socket);
  }

  /** What the function resolves with. Rejects with what it rejected with, when the machine goes, and after `limitMs`; it then goes on. */
  async evaluate(evaluation: Evaluation, limitMs: number): Promise<unknown> {
    const id = this.#requests++;
    const { value, error } = await new Promise<Answer>((resolve) => {
      const timer = setTimeout(() => this.#answered({ id, error: `no answer within ${limitMs} ms` }), limitMs);
      this.#waiting.set(id, (answer) => {
        clearTimeout(timer);
        resolve(answer);
      });
      if (this.#socket.destroyed) this.#ended();
      else this.#socket.write(`${JSON.stringify({ ...evaluation, id })}\n`);
    });
    if (error !== undefined) throw new Error(`in the machine: ${error}`);
    return value;
  }

  close(): void {
    this.#socket.destroy();
  }

  #answered(answer: Answer): void {
    const settle = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    settle?.(answer);
  }

  #ended(): void {
    for (const id of [...this.#waiting.keys()]) this.#answered({ id, error: 'it was switched off' });
  }
}
