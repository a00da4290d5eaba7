import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { encodeFrame, isFrame, NODE_AGENT, PYTHON_AGENT, Type, value, withAgent } from './harness.js';

/** Any JSON values, in any number of frames, cut anywhere, come back unchanged and in order. */

const AGENTS = [
  ['python', PYTHON_AGENT, { 'main.py': 'def main(args):\n    return args\n' }, 'main:main'],
  ['node', NODE_AGENT, { 'index.js': 'exports.handler = (args) => args;' }, 'index.js:handler'],
] as const;

// Integers beyond 2^53 and -0 mean different things to the two languages, so they are left out; large strings cross the read buffer.
const json = fc
  .oneof(
    { weight: 4, arbitrary: fc.jsonValue({ noUnicodeString: false }) },
    { weight: 1, arbitrary: fc.integer({ min: 30_000, max: 200_000 }).map((size) => 'x'.repeat(size)) },
  )
  .map((sample) => JSON.parse(JSON.stringify(sample)) as unknown);

describe.each(AGENTS)('%s agent', (_name, command, files, entry) => {
  test('echoes what comes in whatever pieces', () =>
    withAgent(command, files, { entry }, async (agent) => {
      let nextId = 1000;
      const property = fc.asyncProperty(
        fc.array(fc.record({ sample: json, tid: fc.string(), ping: fc.boolean() }), { minLength: 1, maxLength: 6 }),
        fc.array(fc.integer({ min: 1, max: 70_000 }), { minLength: 1, maxLength: 8 }),
        async (requests, cuts) => {
          const first = nextId;
          const frames = requests.flatMap(({ sample, tid, ping }) => {
            const id = nextId++;
            const invoke = encodeFrame(Type.invoke, id, [0, 0, 0], JSON.stringify({ tid }), JSON.stringify(sample));
            return ping ? [encodeFrame(Type.ping, id, [0, 0, 0], '', ''), invoke] : [invoke];
          });
          const bytes = Buffer.concat(frames);
          for (let at = 0, i = 0; at < bytes.length; i++) {
            const size = cuts[i % cuts.length] as number;
            agent.send(bytes.subarray(at, at + size));
            at += size;
            // Separate writes, so that the pieces arrive as pieces at least sometimes.
            await new Promise((resolve) => setImmediate(resolve));
          }
          for (const [i, { sample, ping }] of requests.entries()) {
            if (ping) isFrame(await agent.take((frame) => frame.type === Type.pong && frame.requestId === first + i));
            const result = isFrame(await agent.answer(first + i));
            expect(result.status).toBe(0);
            expect(value(result)).toEqual(sample);
          }
        },
      );
      await fc.assert(property, { numRuns: 60, interruptAfterTimeLimit: 15_000 });
    }));
});
