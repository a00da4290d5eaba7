import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Agent, CodeFolder, encodeFrame, isFrame, ROOT, Status, Type, text, value } from './harness.js';

/** iluvatar.h, through programs made with it: the sample function, and one that is told what to do by its arguments. */

const PROGRAM = `
#include "iluvatar.h"
static int has(const iluvatar_request* request, const char* word) {
  return request->size >= strlen(word) && memmem(request->arguments, request->size, word, strlen(word)) != NULL;
}
static void handle(const iluvatar_request* request, iluvatar_reply* reply, void* context) {
  int* calls = context;
  ++*calls;
  if (has(request, "fail")) iluvatar_reply_error(reply, ILUVATAR_USER_ERROR, "it \\"failed\\"\\n\\\\");
  else if (has(request, "abort")) abort();
  else if (has(request, "close")) close(3);
  else if (!has(request, "nothing")) iluvatar_reply_result(reply, request->arguments, request->size);
}
int main(void) {
  int calls = 0;
  int code = iluvatar_serve(handle, &calls);
  printf("%d calls\\n", calls);
  return code;
}
`;

describe('binary runtime', () => {
  const folder = mkdtempSync(join(tmpdir(), 'iluvatar-binary-test-'));
  const program = join(folder, 'program');

  beforeAll(() => {
    using source = new CodeFolder({ 'program.c': PROGRAM });
    const header = join(ROOT, 'src/agents/binary');
    const flags = ['-std=gnu99', '-Wall', '-Wextra', '-Werror', '-O1', '-fsanitize=address,undefined', '-D_GNU_SOURCE'];
    execFileSync('cc', [...flags, `-I${header}`, '-o', program, join(source.path, 'program.c')]);
    execFileSync('make', ['-s', '-C', join(ROOT, 'functions/hello_c'), `OUT=${folder}`]);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** HELLO and READY come by themselves: such a program is executed once ASSIGN has named it. */
  async function started(command: string): Promise<Agent> {
    const agent = new Agent([command], { ASAN_OPTIONS: 'detect_leaks=0:handle_abort=0' });
    agent.hello();
    const hello = isFrame(await agent.take((frame) => frame.type === Type.hello));
    expect(hello.meta).toEqual({ role: 'agent', container: 'w/c1', token: 'secret' });
    expect(isFrame(await agent.take((frame) => frame.type === Type.ready)).status).toBe(Status.ok);
    return agent;
  }

  test('the sample function', async () => {
    await using agent = await started(join(folder, 'main'));
    expect(value(await agent.invoke({ a: 1 }))).toEqual({ body: { greeting: 'Hello from C!', cold: true, bytes: 7 } });
    expect(value(await agent.invoke({}))).toEqual({ body: { greeting: 'Hello from C!', cold: false, bytes: 2 } });
  });

  test('results, `null` for none, errors, 16 MiB, PING, and the end', async () => {
    await using agent = await started(program);
    expect(value(await agent.invoke({ a: 'é' }))).toEqual({ a: 'é' });
    expect(value(await agent.invoke('nothing'))).toBe(null);
    const failed = await agent.invoke('fail');
    expect([failed.status, text(failed, 'message')]).toEqual([Status.userError, 'it "failed"\n\\']);
    const large = 'x'.repeat(16 * 1024 * 1024);
    expect(value(await agent.invoke(large))).toBe(large);
    agent.send(encodeFrame(Type.ping, 77, [0, 0, 0], '', ''));
    expect(isFrame(await agent.take((frame) => frame.type === Type.pong)).requestId).toBe(77);
    agent.endConnection();
    expect(await agent.exited).toEqual({ code: 0, signal: null });
    expect(agent.log).toBe('4 calls\n');
  });

  test.each([
    ['abort', { code: null, signal: 'SIGABRT' }],
    ['close', { code: 121, signal: null }],
  ])('%s: no answer, the supervisor reports it', async (word, end) => {
    await using agent = await started(program);
    expect(await agent.answer(agent.start(word))).toEqual({ ended: end, garbage: null });
  });

  test('garbage ends it with exit code 70', async () => {
    await using agent = await started(program);
    agent.send(Buffer.alloc(64, 0x41));
    expect((await agent.exited).code).toBe(70);
  });
});
