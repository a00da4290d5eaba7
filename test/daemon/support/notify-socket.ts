import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** One datagram as a service manager receives it. */
export interface Notification {
  lines: string[];
  /** What the descriptors that came with it point to. */
  files: string[];
}

const SCRIPT = fileURLToPath(new URL('./notify-socket.py', import.meta.url));

/** A real unix datagram socket, which Node has none of, with everything that came to it. */
export class NotifySocket implements Disposable {
  readonly address: string;
  readonly received: Notification[] = [];
  readonly #process: ChildProcess;

  private constructor(address: string, process: ChildProcess) {
    this.address = address;
    this.#process = process;
  }

  /** `address`: a path, or "@name". */
  static open(address: string): Promise<NotifySocket> {
    const child = spawn('python3', [SCRIPT, address], { stdio: ['ignore', 'pipe', 'inherit'] });
    const ear = new NotifySocket(address, child);
    return new Promise((resolve, reject) => {
      child.once('exit', (code) => reject(new Error(`the receiver ended with ${code}`)));
      createInterface(child.stdout).on('line', (line) => {
        const value = JSON.parse(line) as Notification & { ready?: boolean };
        if (value.ready === true) resolve(ear);
        else ear.received.push(value);
      });
    });
  }

  get pid(): number {
    return this.#process.pid as number;
  }

  /** Everything said, one assignment each. */
  get said(): string[] {
    return this.received.flatMap(({ lines }) => lines);
  }

  count(line: string): number {
    return this.said.filter((one) => one === line).length;
  }

  [Symbol.dispose](): void {
    this.#process.kill('SIGKILL');
  }
}
