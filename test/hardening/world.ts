import { execFileSync, spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { chmodSync, copyFileSync, existsSync, lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { temporaryFolder, writeTree } from '../backends/support/temporary.js';

/**
 * What the attacks aim at on the host: files that containers see read-only (`bound`), files that they must not see at all (`outside`), listeners, and the attacker's own
 * source. All of it is the test's own; `touched` says what has changed.
 */
export class HostWorld {
  /** A container's by `sandbox.readOnlyPaths`. */
  readonly bound = temporaryFolder();
  readonly outside = temporaryFolder();
  /** Of the function that attacks, and of its neighbour. */
  readonly source = temporaryFolder();
  readonly abstractName = `iluvatar-hardening-${randomBytes(6).toString('hex')}`;
  readonly connections: string[] = [];
  readonly #servers: Server[] = [];
  #before = '';
  port = 0;

  async open(): Promise<void> {
    const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
    const raw = join(this.source, 'raw');
    execFileSync('gcc', ['-O1', '-Wall', '-Wextra', '-Werror', '-static', '-o', raw, here('raw.c')]);
    copyFileSync(here('attacks.py'), join(this.source, 'main.py'));
    for (const name of ['attempts.py', 'host.py', 'frames.py']) copyFileSync(here(name), join(this.source, name));
    chmodSync(this.bound, 0o755);
    chmodSync(this.outside, 0o755);
    writeTree(this.bound, { open: 'for everybody', secret: { text: 'of root', mode: 0o600 } });
    writeTree(this.outside, { file: 'of the host', 'folder/file': 'of the host, below' });
    for (const [name, mode] of [
      ['setuid', 0o4755],
      ['setgid', 0o2755],
      ['capable', 0o755],
    ] as const) {
      copyFileSync(raw, join(this.bound, name));
      chmodSync(join(this.bound, name), mode);
    }
    giveCapabilities(join(this.bound, 'capable'));
    this.port = ((await this.#listen({ host: '::', port: 0 })).address() as { port: number }).port;
    await this.#listen({ path: join(this.outside, 'worker.sock') });
    chmodSync(join(this.outside, 'worker.sock'), 0o777);
    await this.#listen({ path: `\0${this.abstractName}` });
    this.#before = this.#state();
  }

  /** Sentences: what is not as it was. */
  touched(): string[] {
    const after = this.#state();
    const changed = after === this.#before ? [] : [`the host was\n${this.#before}\nand is\n${after}`];
    return [...changed, ...this.connections.map((who) => `a connection to ${who}`)];
  }

  /** Of this machine, without the loopback ones. */
  get addresses(): string[] {
    return Object.values(networkInterfaces())
      .flatMap((each) => each ?? [])
      .filter(({ family, internal }) => family === 'IPv4' && !internal)
      .map(({ address }) => address);
  }

  async close(): Promise<void> {
    await Promise.all(this.#servers.splice(0).map((server) => new Promise((resolve) => server.close(resolve))));
  }

  async #listen(where: { host?: string; port?: number; path?: string }): Promise<Server> {
    const server = createServer((socket) => {
      this.connections.push(where.path ?? `port ${this.port}`);
      socket.end('reached');
    });
    this.#servers.push(server);
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(where, resolve);
    });
    return server;
  }

  #state(): string {
    const settings = ['kernel/core_pattern', 'kernel/modprobe', 'kernel/hostname', 'kernel/randomize_va_space'];
    return [
      ...settings
        .filter((name) => existsSync(`/proc/sys/${name}`))
        .map((name) => `${name} ${readFileSync(`/proc/sys/${name}`, 'utf8').trim()}`),
      ...tree(this.bound),
      ...tree(this.outside),
    ].join('\n');
  }
}

/** One line for each file below, with all that an attack could change. */
export function tree(folder: string, below = ''): string[] {
  return readdirSync(join(folder, below))
    .sort()
    .flatMap((name) => {
      const path = join(below, name);
      const full = join(folder, path);
      const stats = lstatSync(full);
      const of = `${path} ${stats.mode.toString(8)} ${stats.uid}:${stats.gid} ${stats.mtimeMs}`;
      if (stats.isDirectory()) return [of, ...tree(folder, path)];
      if (stats.isSymbolicLink()) return [`${of} -> ${readlinkSync(full)}`];
      if (!stats.isFile()) return [of];
      return [`${of} ${createHash('sha256').update(readFileSync(full)).digest('hex')}`];
    });
}

/** Paths of the sockets below a folder. */
export function socketsBelow(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return socketsBelow(path);
    return entry.isSocket() ? [path] : [];
  });
}

/** All of them, as the extended attribute of version 2 has it: magic and "effective", then low and high words of permitted and inheritable. */
function giveCapabilities(path: string): void {
  const all = 'ffffffff';
  const value = `01000002${all}00000000ff010000${'00000000'}`;
  const code = 'import os, sys; os.setxattr(sys.argv[1], "security.capability", bytes.fromhex(sys.argv[2]))';
  const done = spawnSync('python3', ['-c', code, path, value], { encoding: 'utf8' });
  if (done.status !== 0) throw new Error(`capabilities could not be given: ${done.stderr}`);
}
