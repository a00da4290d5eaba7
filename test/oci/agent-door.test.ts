import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createConnection, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AgentDoor } from '../../src/backends/oci/agent-door.js';
import { FrameType } from '../../src/transport/frames.js';
import { type Connection, Transport } from '../../src/transport/transport.js';
import { decodeAll, encode, Recorder } from '../transport/support.js';

/** Only the one agent of the container enters, once; whoever else knocks is told so and let go. */
const TOKEN = '0123456789abcdef0123456789abcdef';

describe('the door of a container', () => {
  let folder: string;
  let path: string;
  let transport: Transport;
  let door: AgentDoor;
  let entered: Connection[];
  let agent: Recorder;
  let refused: number;
  const peers: Socket[] = [];

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'iluvatar-door-'));
    path = join(folder, 'agents.sock');
    transport = new Transport({ maxBodyBytes: 65_536, spinUs: 0, highWaterBytes: 65_536, hello: '{"role":"worker"}' });
    entered = [];
    refused = 0;
    agent = new Recorder();
    door = new AgentDoor({
      transport,
      path,
      container: 'c7',
      token: TOKEN,
      refused: () => {
        refused++;
      },
      entered: (connection) => {
        entered.push(connection);
        return agent;
      },
    });
  });
  afterEach(() => {
    for (const peer of peers.splice(0)) peer.destroy();
    door.close();
    transport.destroy();
    rmSync(folder, { recursive: true, force: true });
  });

  /** What it was sent until it was cut off; rejects when nobody listens. */
  function peer(...frames: Buffer[]): { socket: Socket; cut: Promise<Buffer> } {
    const socket = createConnection(path);
    peers.push(socket);
    const chunks: Buffer[] = [];
    socket.on('data', (chunk) => chunks.push(chunk));
    const cut = new Promise<Buffer>((resolve, reject) => {
      socket.once('error', reject);
      socket.once('close', () => resolve(Buffer.concat(chunks)));
    });
    cut.catch(() => undefined);
    for (const frame of frames) socket.write(frame);
    return { socket, cut };
  }

  const hello = (meta: unknown): Buffer =>
    encode({ type: FrameType.hello, x0: 1, x1: 1, x2: 65_536, meta: JSON.stringify(meta) });
  const right = hello({ role: 'agent', container: 'c7', token: TOKEN });

  it('lets in who knows the token, hands over the connection, and is gone', async () => {
    const { socket } = peer(right);
    await expect.poll(() => entered.length).toBe(1);
    await expect.poll(() => existsSync(path)).toBe(false);
    await expect(peer(right).cut).rejects.toMatchObject({ code: 'ENOENT' });
    socket.write(encode({ type: FrameType.ready, x0: 5 }));
    await expect.poll(() => agent.frames.map(({ type, x0 }) => [type, x0])).toEqual([[FrameType.ready, 5]]);
    expect(refused).toBe(0);
  });

  it.each([
    ['another token', hello({ role: 'agent', container: 'c7', token: TOKEN.replace('0', '1') })],
    ['a shorter token', hello({ role: 'agent', container: 'c7', token: TOKEN.slice(1) })],
    ['no token', hello({ role: 'agent', container: 'c7' })],
    ['a token that is no text', hello({ role: 'agent', container: 'c7', token: [TOKEN] })],
    ['the token of another container', hello({ role: 'agent', container: 'c8', token: TOKEN })],
    ['another role', hello({ role: 'client', container: 'c7', token: TOKEN })],
    ['a hello that says null', hello(null)],
    ['a hello that is no JSON', encode({ type: FrameType.hello, x0: 1, x1: 1, x2: 65_536, meta: '{' })],
  ])('refuses %s, and stays open for the right one', async (_what, bytes) => {
    const answer = decodeAll(await peer(bytes).cut).find(({ type }) => type === FrameType.error);
    expect(JSON.parse(answer?.meta ?? '{}')).toMatchObject({ code: 'ERR_NOT_EXPECTED' });
    expect([entered.length, refused]).toEqual([0, 1]);
    peer(right);
    await expect.poll(() => entered.length).toBe(1);
  });

  it('refuses a result before a hello', async () => {
    await peer(encode({ type: FrameType.result, requestId: 1 })).cut;
    expect(entered).toHaveLength(0);
  });

  it('holds no more than a few who say nothing', async () => {
    const silent = Array.from({ length: 40 }, () => peer());
    let open = silent.length;
    for (const { cut } of silent) {
      cut.then(
        () => open--,
        () => open--,
      );
    }
    await expect.poll(() => open).toBe(4);
    expect(refused).toBe(36);
    expect(entered).toHaveLength(0);
  });

  it('cuts off who still waits when it closes, and may be closed twice', async () => {
    const waiting = peer();
    await new Promise((resolve) => waiting.socket.once('connect', resolve));
    await new Promise((resolve) => setTimeout(resolve, 20));
    door.close();
    door.close();
    await waiting.cut;
    expect(existsSync(path)).toBe(false);
    expect(entered).toHaveLength(0);
  });

  it('lets in one of two who know the token', async () => {
    const two = [peer(right), peer(right)];
    await expect.poll(() => entered.length).toBe(1);
    await Promise.race(two.map(({ cut }) => cut.catch(() => undefined)));
    expect(entered).toHaveLength(1);
  });
});
