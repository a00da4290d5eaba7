import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import type { AddressLease } from '../../../src/net/leases.js';

const PORT = 7000;

const SERVER = `
import socket, sys
server = socket.create_server((sys.argv[1], ${PORT}))
print("listening", flush=True)
while True:
    peer, _ = server.accept()
    peer.sendall(b"hello from " + sys.argv[1].encode())
    peer.close()`;

const CLIENT = `
import socket, sys
try:
    with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=float(sys.argv[3])) as peer:
        print(peer.recv(100).decode(), end="")
except OSError as error:
    print(type(error).__name__, end="")`;

/** A process that lives in a namespace and answers at its address, as a container does; it does not end with who made the namespace. */
export class Inhabitant implements Disposable {
  readonly #server: ChildProcess;
  readonly #address: string;

  private constructor(server: ChildProcess, address: string) {
    this.#server = server;
    this.#address = address;
  }

  /** `folder`: where namespaces are mounted. */
  static async in(folder: string, { name, address }: AddressLease): Promise<Inhabitant> {
    const server = spawn('nsenter', [`--net=${join(folder, name)}`, 'python3', '-c', SERVER, address], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const one = new Inhabitant(server, address);
    const [first] = await Promise.race([once(server.stdout, 'data'), once(server, 'exit')]);
    if (`${first}`.startsWith('listening')) return one;
    throw new Error(`nothing listens at ${address}`);
  }

  /** What it says to the host, or the error's code. */
  hello(): Promise<string> {
    return new Promise((resolve) => {
      let heard = '';
      const socket = connect({ host: this.#address, port: PORT, timeout: 20_000 });
      socket.on('data', (chunk) => {
        heard += chunk.toString();
      });
      socket.on('end', () => resolve(heard));
      socket.on('timeout', () => socket.destroy(Object.assign(new Error(), { code: 'ETIMEDOUT' })));
      socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    });
  }

  [Symbol.dispose](): void {
    this.#server.kill('SIGKILL');
  }
}

/** What a program in the namespace at `path` hears at an address, or the name of Python's error. */
export function callFrom(path: string, address: string, port = PORT, patienceS = 0.4): string {
  const args = [`--net=${path}`, 'python3', '-c', CLIENT, address, `${port}`, `${patienceS}`];
  return execFileSync('nsenter', args, { encoding: 'utf8' });
}
