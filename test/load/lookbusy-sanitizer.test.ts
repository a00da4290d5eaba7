import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Agent, isFrame, ROOT, Status, Type, text, value } from '../agents/harness.js';

/** The synthetic load under the address and undefined-behaviour sanitizers: its own reader of JSON is fed what is none. */

describe('lookbusy, sanitized', () => {
  const folder = mkdtempSync(join(tmpdir(), 'iluvatar-lookbusy-sanitized-'));
  const program = join(folder, 'lookbusy');

  beforeAll(() => {
    const flags = ['-std=gnu99', '-Wall', '-Wextra', '-Werror', '-O1', '-fsanitize=address,undefined'];
    const also = ['-fno-sanitize-recover=all', '-pthread', '-D_GNU_SOURCE', `-I${join(ROOT, 'src/agents/binary')}`];
    execFileSync('cc', [...flags, ...also, '-o', program, join(ROOT, 'functions/lookbusy/lookbusy.c')]);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  async function started(): Promise<Agent> {
    const agent = new Agent([program], { ASAN_OPTIONS: 'detect_leaks=0' });
    agent.hello();
    isFrame(await agent.take((frame) => frame.type === Type.hello));
    isFrame(await agent.take((frame) => frame.type === Type.ready));
    return agent;
  }

  it('holds, lets go, and works on several threads', async () => {
    await using agent = await started();
    for (const [mem_mb, ncpus] of [
      [4, 1],
      [2, 3],
      [0, 1],
      [1, 2],
    ] as const) {
      expect(value(await agent.invoke({ run_ms: 1, mem_mb, ncpus, busy: 0.5 }))).toMatchObject({
        body: { held_mb: mem_mb, threads: ncpus },
      });
    }
  });

  it('answers whatever bytes it is given: what is no object is refused, and nothing else happens', async () => {
    await using agent = await started();
    const quick = '"cold_run_ms":0,"warm_run_ms":0';
    const odd = [
      '',
      '{',
      '{"a',
      '{"a\\',
      '{"a":"\\',
      '{"a":[',
      '{"a":]}',
      '{"a":}',
      '{,}',
      '{"a":1,}',
      '[]',
      'nul',
      '"',
      '{"a":"b"',
      '{"a":{"b":"}"',
    ];
    for (const tail of odd) {
      // Without a time it would take its default, seconds: what is refused is refused before.
      const body = tail.startsWith('{') ? `{${quick},${tail.slice(1)}` : tail === '' ? `{${quick}}` : tail;
      const answer = await agent.invoke(Buffer.from(body));
      expect([Status.ok, Status.invalid]).toContain(answer.status);
    }
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary', maxLength: 200 }), async (junk) => {
        const answer = await agent.invoke(Buffer.from(`{${quick},${junk}`));
        expect([Status.ok, Status.invalid]).toContain(answer.status);
      }),
      { numRuns: 200 },
    );
    await fc.assert(
      fc.asyncProperty(fc.json({ maxDepth: 4 }), async (other) => {
        // Any value of an argument that it does not know is skipped.
        const answer = await agent.invoke(Buffer.from(`{"other":${other},${quick}}`));
        expect([answer.status, value(answer)]).toMatchObject([Status.ok, { body: { asked_ms: 0 } }]);
      }),
      { numRuns: 200 },
    );
    const refused = await agent.invoke(Buffer.from('[1]'));
    expect([refused.status, text(refused, 'message')]).toEqual([Status.invalid, 'the arguments are not a JSON object']);
  });
});
