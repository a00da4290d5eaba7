import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Container } from '../../src/core/pool/container.js';
import type { EvictionPolicy } from '../../src/core/pool/eviction/eviction-policy.js';
import { execute, root } from './process.js';

/** The worked example of CONTRIBUTING.md is real: it passes the compiler as the file it says it is, and does what it promises. */
describe('the policy in CONTRIBUTING.md', () => {
  let folder = '';
  let file = '';

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'house-example-'));
    file = join(folder, 'least-used.ts');
    const page = readFileSync(join(root, 'CONTRIBUTING.md'), 'utf8');
    const code = /```ts\n\/\/ (src\/core\/pool\/eviction\/\S+)\n([\s\S]*?)```/.exec(page)?.[2] as string;
    const there = join(root, 'src/core/pool/eviction');
    writeFileSync(
      file,
      code.replaceAll(/from '(\.[^']+)'/g, (_, path: string) => `from '${join(there, path)}'`),
    );
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('compiles', async () => {
    const options = [
      '--noEmit',
      '--strict',
      '--target',
      'es2022',
      '--module',
      'nodenext',
      '--skipLibCheck',
      '--types',
      'node',
    ];
    const { code, output } = await execute(join(root, 'node_modules/.bin/tsc'), [
      ...options,
      '--typeRoots',
      join(root, 'node_modules/@types'),
      '--erasableSyntaxOnly',
      '--ignoreConfig',
      file,
    ]);
    expect(output).toBe('');
    expect(code).toBe(0);
  });

  it('gives the least used first, and of equals the longest idle', async () => {
    const { LeastUsedEviction } = (await import(file)) as { LeastUsedEviction: new () => EvictionPolicy };
    const policy = new LeastUsedEviction();
    const containers = [5, 2, 9, 2].map((invocations, id) => ({ id, invocations }) as Container);
    for (const container of containers) policy.idle(container);
    const order: number[] = [];
    for (let victim = policy.victim(); victim !== null && order.length < 10; victim = policy.victim()) {
      order.push(victim.id);
      policy.leave(victim, false);
    }
    expect(order).toEqual([1, 3, 0, 2]);
  });
});
