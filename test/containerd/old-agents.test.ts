import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync } from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { oldAgentEnvironment } from '../../src/backends/agent/old-agent.js';
import { ContainerdClient } from '../../src/backends/containerd/client.js';
import { type ContainerdImage, ContainerdImages } from '../../src/backends/containerd/images.js';
import { prepareFunctionImage } from '../../src/backends/oci/function-image.js';
import { temporaryFolder } from '../images/support.js';
import { definition, type Registrar, registrar } from '../oci/support.js';
import { ContainerdDaemon } from '../support/containerd-daemon.js';
import { freePort } from '../support/free-port.js';
import { OLD_AGENT_REQUIREMENTS, type OldAgentImages, oldAgentImages } from '../support/old-agent-image.js';
import { describeWith } from '../support/requirement.js';

const NAMESPACE = 'test';
const { command, file } = OLD_AGENT_REQUIREMENTS;
let daemon: ContainerdDaemon;
let client: ContainerdClient;
let images: ContainerdImages;
let layouts: OldAgentImages;
let folder: ReturnType<typeof temporaryFolder>;
let context: Registrar;
const running: { id: string; process: ChildProcess }[] = [];

/** Runs an image with nothing but its own entry point and the original's environment. */
async function start(kind: 'http' | 'socket', port: number): Promise<{ sockets: string; stderr: () => string }> {
  const fn = definition({
    image: layouts[kind],
    server: kind === 'http' ? 'http' : 'legacy-socket',
    network: 'host',
    timeoutMs: 30_000,
  });
  const plan = await prepareFunctionImage(context, fn, () => undefined);
  expect(plan.process).toMatchObject({ argv: ['gunicorn', 'server:app'], cwd: '/app', user: { uid: 0, gid: 0 } });
  const image: ContainerdImage = await images.import(plan.named, () => undefined);
  const id = `iluvatar-test-${randomBytes(4).toString('hex')}`;
  const sockets = join(folder.path, id);
  mkdirSync(sockets);
  const env = Object.entries(oldAgentEnvironment(fn, '127.0.0.1', port));
  const child = spawn('ctr', [
    ...['--address', daemon.address, '--namespace', NAMESPACE, 'run', '--rm', '--net-host'],
    ...env.flatMap(([name, value]) => ['--env', `${name}=${value}`]),
    ...['--mount', `type=bind,src=${sockets},dst=/iluvatar/sockets,options=rbind:rw`],
    ...[image.reference, id],
  ]);
  running.push({ id, process: child });
  let said = '';
  child.stderr.on('data', (chunk) => {
    said += chunk;
  });
  return { sockets, stderr: () => said };
}

/** Until it does not throw. */
async function eventually<T>(ask: () => Promise<T>, why: () => string): Promise<T> {
  for (let round = 0; ; round++) {
    try {
      return await ask();
    } catch (error) {
      if (round > 300) throw new Error(`${(error as Error).message}: ${why()}`);
      await sleep(100);
    }
  }
}

describeWith({ root: true, command: ['containerd', 'ctr', 'runc', command], file }, 'images of the original', () => {
  beforeAll(async () => {
    folder = temporaryFolder();
    [daemon, layouts] = await Promise.all([ContainerdDaemon.start(), oldAgentImages()]);
    client = new ContainerdClient({ address: daemon.address, namespace: NAMESPACE });
    await client.ensureNamespace();
    images = new ContainerdImages(client, { snapshotter: 'overlayfs', scope: 'worker.containerd' });
    context = await registrar(folder.path);
  }, 180_000);
  afterEach(async () => {
    for (const { id, process: child } of running.splice(0)) {
      const gone = new Promise((resolve) => child.once('exit', resolve));
      await daemon.ctr(NAMESPACE, 'tasks', 'kill', '--all', '--signal', 'SIGKILL', id).catch(() => '');
      if (child.exitCode === null) await gone;
    }
  });
  afterAll(async () => {
    client.close();
    await context.close();
    await daemon.close();
    folder.remove();
  });

  it('answer over HTTP with flask and gunicorn', async () => {
    const port = await freePort();
    const { stderr } = await start('http', port);
    const url = `http://127.0.0.1:${port}`;
    const alive = await eventually(() => fetch(`${url}/`), stderr);
    expect(alive.status).toBe(200);
    expect(stderr()).toContain('MGK_GUN_READY_KMG');
    const invoke = async (args: object): Promise<[number, Record<string, unknown>]> => {
      const headers = { 'content-type': 'application/json' };
      const answer = await fetch(`${url}/invoke`, { method: 'POST', headers, body: JSON.stringify(args) });
      return [answer.status, (await answer.json()) as Record<string, unknown>];
    };
    const [status, reply] = await invoke({ name: 'old' });
    expect(status).toBe(200);
    expect(reply).toMatchObject({ was_cold: true, gpu_allocation_mb: 0, start: expect.any(String) as string });
    expect(JSON.parse(reply['user_result'] as string)).toMatchObject({ body: { greeting: 'Hello old', uid: 0 } });
    expect(await invoke({ raise: true })).toMatchObject([422, { user_error: '"as asked"', was_cold: false }]);
  });

  it('answer over the socket with its headers of 16 bytes', async () => {
    const { sockets, stderr } = await start('socket', await freePort());
    const path = join(sockets, 'sock');
    const socket = await eventually(() => connect(path), stderr);
    try {
      const check = await exchange(socket, 0, '');
      expect(check).toEqual({ Status: 0 });
      const reply = await exchange(socket, 1, JSON.stringify({ name: 'old' }));
      expect(JSON.parse(reply['user_result'] as string)).toMatchObject({ body: { greeting: 'Hello old' } });
      const failed = await exchange(socket, 1, JSON.stringify({ raise: true }));
      expect(failed).toMatchObject({ user_error: '"as asked"', was_cold: false });
    } finally {
      socket.destroy();
    }
    expect(existsSync(path)).toBe(true);
  });
});

function connect(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = new Socket();
    socket.once('error', reject);
    socket.connect(path, () => resolve(socket));
  });
}

/** One request and its reply. */
async function exchange(socket: Socket, order: number, text: string): Promise<Record<string, unknown>> {
  const header = Buffer.alloc(16);
  header.writeBigUInt64LE(BigInt(order), 0);
  header.writeBigUInt64LE(BigInt(Buffer.byteLength(text)), 8);
  return new Promise((resolve, reject) => {
    let bytes = Buffer.alloc(0);
    const take = (chunk: Buffer): void => {
      bytes = Buffer.concat([bytes, chunk]);
      if (bytes.length < 8 || bytes.length < 8 + Number(bytes.readBigUInt64LE(0))) return;
      socket.off('data', take);
      resolve(JSON.parse(bytes.subarray(8).toString()) as Record<string, unknown>);
    };
    socket.on('data', take);
    socket.once('close', () => reject(new Error('it hung up')));
    socket.write(Buffer.concat([header, Buffer.from(text)]));
  });
}
