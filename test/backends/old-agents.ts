import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { BackendParts } from '../../src/backends/backends.js';
import type { FunctionDefinitionInput } from '../../src/config/api.js';
import { BridgeAddresses } from '../../src/net/bridge-addresses.js';
import { ContainerNetworks } from '../../src/net/container-networks.js';
import { oldAgentImages } from '../support/old-agent-image.js';
import { type Harness, prepare, TestContainer } from './support/harness.js';
import { temporaryFolder } from './support/temporary.js';

/**
 * What every backend that runs real code must do for agents that are not ours: those of the original, over HTTP and over its socket with headers of 16 bytes, from source and as the
 * original's images.
 */
const FIXTURES = fileURLToPath(new URL('fixtures', import.meta.url));

interface Agent {
  readonly what: string;
  readonly more: Partial<FunctionDefinitionInput>;
  readonly fixture: string;
}

const FROM_SOURCE: readonly Agent[] = [
  { what: 'over its socket', more: { server: 'legacy-socket' }, fixture: 'legacy-socket-agent.py' },
  { what: 'over HTTP, on the host’s network', more: { server: 'http', network: 'host' }, fixture: 'http-agent.py' },
  { what: 'over HTTP, at its own address', more: { server: 'http', network: 'bridge' }, fixture: 'http-agent.py' },
];

/** A worker's networks, for the backend of a harness. */
export function withNetworks<Parts extends Pick<BackendParts, 'config' | 'log'>>(
  parts: Parts,
): Parts & { networks: ContainerNetworks; addresses: BridgeAddresses } {
  const { config, log } = parts;
  const networks: ContainerNetworks = new ContainerNetworks({ config, log, others: () => addresses.ranges });
  const addresses = new BridgeAddresses(config.network, () => networks.ranges);
  return { ...parts, networks, addresses };
}

/** `without` 'images': it runs none. */
export function describeOldAgents(name: string, start: () => Promise<Harness>, without: readonly 'images'[]): void {
  describe(`old agents on ${name}`, () => {
    let harness: Harness;
    const made: TestContainer[] = [];

    beforeAll(async () => {
      harness = await start();
    });
    afterEach(async () => {
      await Promise.all(made.splice(0).map((container) => container.destroy()));
      expect(await harness.backend.list()).toEqual([]);
    });
    afterAll(() => harness?.close());

    async function container(definition: Partial<FunctionDefinitionInput>): Promise<TestContainer> {
      const fn = await prepare(harness.backend, { name: 'old', memoryMb: 256, ...definition });
      const one = new TestContainer(harness.backend, harness.transport, fn);
      made.push(one);
      await one.started();
      return one;
    }

    for (const { what, more, fixture } of FROM_SOURCE) {
      it(`answer ${what}`, async () => {
        const source = temporaryFolder();
        copyFileSync(join(FIXTURES, fixture), join(source, 'main.py'));
        const one = await container({ source, ...more });
        expect(await one.invoke({ n: 1 })).toMatchObject({ errorClass: null, result: { got: { n: 1 } } });
        expect(await one.invoke({ fail: 1 })).toMatchObject({ errorClass: 'user_error', message: 'it failed' });
        expect(await one.invoke({ n: 2 })).toMatchObject({ errorClass: null, result: { got: { n: 2 } } });
        expect((await one.invoke({ die: 1 })).errorClass).toBe('crashed');
        expect((await one.exitedWith).errorClass).toBe('crashed');
        const slow = await container({ source, ...more });
        const asked = slow.invokeRaw('{"sleep":60}', 100);
        await new Promise((resolve) => setTimeout(resolve, 150));
        slow.handle.cancel(asked.requestId, 'timeout');
        expect((await asked.answer).errorClass).toBe('timeout');
        expect((await slow.exitedWith).errorClass).toBe('timeout');
        await slow.destroy();
      }, 60_000);
    }

    if (!without.includes('images')) describeImages();

    function describeImages(): void {
      it.each([
        ['http', { server: 'http', network: 'host' }],
        ['socket', { server: 'legacy-socket' }],
      ] as const)(
        'answer in an image of the original: %s',
        async (kind, more) => {
          const images = await oldAgentImages();
          const one = await container({ image: images[kind], ...more });
          const answer = await one.invoke({ name: 'old' });
          expect(answer).toMatchObject({ errorClass: null, result: { body: { greeting: 'Hello old' } } });
          expect(await one.invoke({ raise: true })).toMatchObject({ errorClass: 'user_error' });
          expect((await one.invoke({ name: 'again' })).errorClass).toBe(null);
        },
        120_000,
      );
    }
  });
}
