import { execFileSync, spawn } from 'node:child_process';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { encodeFrame, FrameReader, PYTHON, ROOT, Type, type WireFrame } from '../agents/harness.js';
import { describeWith } from '../support/requirement.js';
import { temporaryFolder, write } from './support.js';

/** The entry points of images, as processes: they find the worker by its socket and answer as any agent does. */

let folder: ReturnType<typeof temporaryFolder>;
let server: Server;
const sockets: Socket[] = [];
beforeEach(() => {
  folder = temporaryFolder();
  server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => undefined);
  });
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await new Promise((resolve) => server.close(resolve));
  folder.remove();
});

interface Talk {
  readonly hello: WireFrame;
  readonly result: WireFrame;
  readonly code: number | null;
}

/** Runs an entry point until it has answered one invocation and the worker has hung up. */
async function talk(command: readonly string[], assign: object): Promise<Talk> {
  const path = join(folder.path, 'agents.sock');
  const frames: WireFrame[] = [];
  let heard = (): void => undefined;
  server.on('connection', (socket) => {
    const reader = new FrameReader();
    // The worker's HELLO comes at once: it is the agent's to read.
    socket.write(encodeFrame(Type.hello, 0, [1, 1, 1024], '{"role":"worker","name":"w"}', ''));
    socket.on('data', (chunk) => {
      frames.push(...reader.push(chunk));
      heard();
    });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const [program, ...args] = command as [string, ...string[]];
  const child = spawn(program, args, {
    env: {
      PATH: process.env['PATH'],
      ILUVATAR_AGENTS_SOCKET: path,
      ILUVATAR_CONTAINER: 'w/c1',
      ILUVATAR_TOKEN: 'token',
      ILUVATAR_ASSIGN: JSON.stringify(assign),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 30_000,
  });
  let said = '';
  child.stderr.on('data', (chunk) => {
    said += chunk;
  });
  const exited = new Promise<number | null>((resolve) => child.on('exit', resolve));
  const take = (type: number): Promise<WireFrame> =>
    new Promise((resolve, reject) => {
      heard = () => {
        const found = frames.find((frame) => frame.type === type);
        if (found !== undefined) resolve(found);
      };
      exited.then((code) => reject(new Error(`it ended with ${code}: ${said}`)));
      heard();
    });
  const hello = await take(Type.hello);
  await take(Type.ready);
  sockets[0]?.write(encodeFrame(Type.invoke, 7, [5000, 0, 0], '', '{"name":"image"}'));
  const result = await take(Type.result);
  sockets[0]?.end();
  return { hello, result, code: await exited };
}

function expectGreeting({ hello, result, code }: Talk): void {
  expect(hello.meta).toMatchObject({ role: 'agent', container: 'w/c1', token: 'token' });
  expect(result).toMatchObject({ requestId: 7, status: 0 });
  expect(JSON.parse(result.body.toString())).toMatchObject({ hello: 'image' });
  expect(code).toBe(0);
}

describeWith({ command: ['cc'] }, 'the entry points of images', () => {
  it('Python', async () => {
    const code = await write(join(folder.path, 'fn'), {
      'main.py': 'def main(args):\n  return {"hello": args["name"]}\n',
    });
    const command = [PYTHON, '-B', join(ROOT, 'src/agents/python/start.py')];
    expectGreeting(await talk(command, { code, layers: [], entry: 'main:main' }));
  });

  it('Node', async () => {
    const code = await write(join(folder.path, 'fn'), {
      'index.js': 'exports.handler = (args) => ({ hello: args.name });\n',
    });
    const command = [process.execPath, join(ROOT, 'src/agents/node/start.mjs')];
    expectGreeting(await talk(command, { code, layers: [], entry: 'index.js:handler' }));
  });

  it('a program', async () => {
    const source = `#include "iluvatar.h"
static void hello(const iluvatar_request* request, iluvatar_reply* reply, void* context) {
  (void)request, (void)context;
  iluvatar_reply_result(reply, "{\\"hello\\":\\"image\\"}", 17);
}
int main(void) { return iluvatar_serve(hello, NULL); }
`;
    await write(folder.path, { 'program.c': source });
    const program = join(folder.path, 'program');
    const header = join(ROOT, 'src/agents/binary');
    execFileSync('cc', ['-std=gnu99', '-Wall', '-Wextra', '-Werror', `-I${header}`, '-o', program, `${program}.c`]);
    expectGreeting(await talk([program], {}));
  });

  it.each([
    ['Python', [PYTHON, '-B', join(ROOT, 'src/agents/python/start.py')]],
    ['Node', [process.execPath, join(ROOT, 'src/agents/node/start.mjs')]],
  ])('%s says where it looked when nobody is there', async (_, command) => {
    const [program, ...args] = command as [string, ...string[]];
    const path = join(folder.path, 'nobody.sock');
    const child = spawn(program, args, { env: { ILUVATAR_AGENTS_SOCKET: path }, stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    child.stderr.on('data', (chunk) => {
      said += chunk;
    });
    expect(await new Promise((resolve) => child.on('close', resolve))).toBe(1);
    expect(said).toContain(`the worker cannot be reached at ${path}`);
  });
});
